"""VGG: a network made of blocks, each some 3×3 convolutions and a pooling layer that halves the side.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from convnets.layers.blocks import vgg_block
from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = [
    "VGG",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vgg_block",
]

Column = Sequence[tuple[int, int]]
"""A column of the paper's table 1, block by block: convolutions, channels."""

# The columns of table 1, by their letters: 11, 13, 16 and 19 layers with weights
A: Column = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
B: Column = ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512))
D: Column = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
E: Column = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


class VGG(ImageClassifier):
    """VGG, 2014.

    Paper: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.
    Idea: repeat one simple block; many small convolutions do better than a few large ones.
    Input: 224×224; any size from 32, as the last maps are averaged to 7×7.
    Differs from the paper: adaptive average pooling to 7×7 before the head (the maps themselves at 224 pixels) and
    the version with batch norm, both as in torchvision's published weights; weights start as He et al. 2015
    advise, where the paper trained the shallow columns first and went on from their weights.
    """

    def __init__(
        self,
        column: Column,
        *,
        batch_norm: bool = False,
        in_channels: int = 3,
        num_classes: int = 1000,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            embedding_size=4096,
            sizes=InputSizes(smallest=32),
        )
        blocks = []
        for convolutions, channels in column:
            blocks.append(vgg_block(convolutions, in_channels, channels, batch_norm=batch_norm))
            in_channels = channels
        self.blocks = nn.Sequential(*blocks)  # 64×112×112, 128×56×56, 256×28×28, 512×14×14, 512×7×7
        self.hidden = nn.Sequential(
            nn.AdaptiveAvgPool2d(7),  # N×512×7×7
            nn.Flatten(),  # N×25088
            nn.Linear(in_channels * 7 * 7, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),  # N×4096
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.classifier = nn.Linear(4096, num_classes)
        initialize(self.blocks, "kaiming-normal")
        initialize(self.hidden, "kaiming-normal")

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last block: N×512×H/32×W/32."""
        self.check_input(x)
        x = self.blocks(x)  # N×512×7×7
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The last hidden layer: N×4096."""
        x = self.hidden(self.features(x))  # N×4096
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.hidden(x)  # N×4096
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def vgg11(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column A: 8 convolutions and 3 linear layers."""
    return VGG(A, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg13(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column B: 10 convolutions and 3 linear layers."""
    return VGG(B, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg16(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column D: 13 convolutions and 3 linear layers."""
    return VGG(D, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg19(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column E: 16 convolutions and 3 linear layers."""
    return VGG(E, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg11_bn(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column A with batch norm after every convolution."""
    return VGG(A, batch_norm=True, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg13_bn(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column B with batch norm after every convolution."""
    return VGG(B, batch_norm=True, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg16_bn(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column D with batch norm after every convolution."""
    return VGG(D, batch_norm=True, in_channels=in_channels, num_classes=num_classes, dropout=dropout)


def vgg19_bn(in_channels: int = 3, num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Column E with batch norm after every convolution."""
    return VGG(E, batch_norm=True, in_channels=in_channels, num_classes=num_classes, dropout=dropout)
