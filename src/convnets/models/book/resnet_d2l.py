"""ResNet-18 as Dive into Deep Learning builds it.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.layers.blocks import Residual
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["ResNet18D2L", "Residual"]


class ResNet18D2L(ImageClassifier):
    """ResNet-18, 2015.

    Paper: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2015.
    Idea: a block that can do nothing (f = 0) never makes a deeper network worse, and the skip path carries the
    gradient past it.
    Input: 96×96 (the paper: 224×224); any size.
    Differs from the paper: no batch norm on the skip path, and convolutions keep the biases that batch norm makes
    superfluous; 1 channel and 10 classes by default, as in chapter 8 of Zhang et al., "Dive into Deep Learning",
    2021.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=1, lone_image=33)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=512, sizes=sizes)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),  # N×64×112×112
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×64×56×56
        )
        self.stage1 = nn.Sequential(Residual(64, 64), Residual(64, 64))
        self.stage2 = nn.Sequential(Residual(64, 128, stride=2), Residual(128, 128))
        self.stage3 = nn.Sequential(Residual(128, 256, stride=2), Residual(256, 256))
        self.stage4 = nn.Sequential(Residual(256, 512, stride=2), Residual(512, 512))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(512, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last stage: N×512×H/32×W/32."""
        self.check_input(x)
        x = self.stem(x)  # N×64×56×56
        x = self.stage1(x)  # N×64×56×56
        x = self.stage2(x)  # N×128×28×28
        x = self.stage3(x)  # N×256×14×14
        x = self.stage4(x)  # N×512×7×7
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×512."""
        x = self.flatten(self.pool(self.features(x)))  # N×512
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×512
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x
