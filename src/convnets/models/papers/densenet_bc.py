"""DenseNet-BC with 100 layers, for images of about 32 pixels.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 32×32 images.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.papers.densenet import dense_block, transition

__all__ = ["DenseNetBC100"]

GROWTH = 12
LAYERS = 16  # of two convolutions each: 3 · 16 · 2 + stem + 2 transitions + linear layer = 100


class DenseNetBC100(ImageClassifier):
    """DenseNet-BC (k = 12, 100 layers), 2016.

    Paper: Huang, Liu, van der Maaten & Weinberger, "Densely connected convolutional networks", 2016, table 2.
    Idea: bottlenecks (B) and compression in the transitions (C) make dense connections cheap: 4.5 % error on
    CIFAR-10 with 0.8 M parameters.
    Input: 32×32; any size from 4.
    Differs from the paper: no dropout, which it uses only where the images are not augmented.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=4, lone_image=8)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=342, sizes=sizes)
        self.stem = nn.Conv2d(in_channels, 2 * GROWTH, kernel_size=3, padding=1, bias=False)
        self.block1, self.transition1 = dense_block(LAYERS, 24, GROWTH), transition(216)
        self.block2, self.transition2 = dense_block(LAYERS, 108, GROWTH), transition(300)
        self.block3 = dense_block(LAYERS, 150, GROWTH)
        self.norm = nn.BatchNorm2d(342)
        initialize(self, "kaiming-normal")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(342, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last block, normalized and rectified: N×342×H/4×W/4."""
        self.check_input(x)
        x = self.stem(x)  # N×24×32×32
        x = self.transition1(self.block1(x))  # N×216×32×32, N×108×16×16
        x = self.transition2(self.block2(x))  # N×300×16×16, N×150×8×8
        x = self.block3(x)  # N×342×8×8
        return F.relu(self.norm(x))  # N×342×8×8

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×342."""
        x = self.flatten(self.pool(self.features(x)))  # N×342
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×342
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x
