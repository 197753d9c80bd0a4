"""A small DenseNet as Dive into Deep Learning builds it.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 96×96 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.layers.blocks import DenseBlock, transition
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["DenseBlock", "DenseNetD2L", "transition"]

GROWTH = 32
CONVOLUTIONS = 4


class DenseNetD2L(ImageClassifier):
    """DenseNet, 2016.

    Paper: Huang, Liu, van der Maaten & Weinberger, "Densely connected convolutional networks", 2016.
    Idea: concatenate where ResNet adds, so that every layer sees all earlier maps as they are and few new ones
    suffice.
    Input: 96×96 (the paper: 224×224); any size from 29.
    Differs from the paper: four blocks of four plain 3×3 convolutions, no bottlenecks; convolutions keep their
    biases; 1 channel and 10 classes by default, as in chapter 8 of Zhang et al., "Dive into Deep Learning", 2021.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=29, lone_image=61)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=248, sizes=sizes)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),  # N×64×48×48
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×64×24×24
        )
        self.block1, self.transition1 = DenseBlock(CONVOLUTIONS, 64, GROWTH), transition(192, 96)
        self.block2, self.transition2 = DenseBlock(CONVOLUTIONS, 96, GROWTH), transition(224, 112)
        self.block3, self.transition3 = DenseBlock(CONVOLUTIONS, 112, GROWTH), transition(240, 120)
        self.block4 = DenseBlock(CONVOLUTIONS, 120, GROWTH)
        self.last = nn.Sequential(nn.BatchNorm2d(248), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(248, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last block, normalized and rectified: N×248×H/32×W/32."""
        self.check_input(x)
        x = self.stem(x)  # N×64×24×24
        x = self.transition1(self.block1(x))  # N×192×24×24, N×96×12×12
        x = self.transition2(self.block2(x))  # N×224×12×12, N×112×6×6
        x = self.transition3(self.block3(x))  # N×240×6×6, N×120×3×3
        x = self.last(self.block4(x))  # N×248×3×3
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×248."""
        x = self.flatten(self.pool(self.features(x)))  # N×248
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×248
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x
