"""DenseNet: 121 to 201 layers, each of which sees the outputs of all before it in its block.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images in
DenseNet-121.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = [
    "DenseLayer",
    "DenseNet",
    "dense_block",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "transition",
]


class DenseLayer(nn.Module):
    """Append `growth` channels to the input: N×C×H×W → N×(C + growth)×H×W.

    A 1×1 convolution first cuts all earlier channels down to 4·growth, so that the 3×3 convolution stays cheap.
    """

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the new channels to the input."""
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return torch.cat([x, y], dim=1)


def dense_block(layers: int, in_channels: int, growth: int) -> nn.Sequential:
    """`layers` dense layers in a row: N×C×H×W → N×(C + layers·growth)×H×W."""
    named = {f"layer{i + 1}": DenseLayer(in_channels + i * growth, growth) for i in range(layers)}
    return nn.Sequential(OrderedDict(named))


def transition(in_channels: int) -> nn.Sequential:
    """Half the channels and half the side: N×C×H×W → N×C/2×H/2×W/2."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(kernel_size=2, stride=2),
        )
    )


class DenseNet(ImageClassifier):
    """DenseNet-BC, 2016.

    Paper: Huang, Liu, van der Maaten & Weinberger, "Densely connected convolutional networks", 2016.
    Idea: concatenate where ResNet adds, so that every layer sees all earlier maps as they are and few new ones
    suffice.
    Input: 224×224; any size from 29.
    Differs from the paper: nothing that it states; the stem has 2k channels there and here 64 (k = 32) or 96
    (k = 48), which is the same.
    """

    def __init__(
        self,
        layers: tuple[int, int, int, int],
        growth: int,
        *,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        channels = 2 * growth
        trunk: dict[str, nn.Module] = {}
        for number, count in enumerate(layers, start=1):
            trunk[f"block{number}"] = dense_block(count, channels, growth)
            channels += count * growth
            if number < len(layers):
                trunk[f"transition{number}"] = transition(channels)
                channels //= 2
        sizes = InputSizes(smallest=29, lone_image=61)
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, embedding_size=channels, sizes=sizes
        )
        self.stem = nn.Sequential(
            nn.Conv2d(
                in_channels, 2 * growth, kernel_size=7, stride=2, padding=3, bias=False
            ),  # N×64×112×112
            nn.BatchNorm2d(2 * growth),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×64×56×56
        )
        self.trunk = nn.Sequential(OrderedDict(trunk))  # 128×28×28, 256×14×14, 512×7×7 after the transitions
        self.norm = nn.BatchNorm2d(channels)
        initialize(self, "kaiming-normal")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last block, normalized and rectified: N×1024×H/32×W/32."""
        self.check_input(x)
        x = self.stem(x)  # N×64×56×56
        x = self.trunk(x)  # N×1024×7×7
        return F.relu(self.norm(x))  # N×1024×7×7

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×1024."""
        x = self.flatten(self.pool(self.features(x)))  # N×1024
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×1024
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def densenet121(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """Growth 32, 1024 features."""
    return DenseNet((6, 12, 24, 16), 32, in_channels=in_channels, num_classes=num_classes)


def densenet161(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """Growth 48, 2208 features."""
    return DenseNet((6, 12, 36, 24), 48, in_channels=in_channels, num_classes=num_classes)


def densenet169(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """Growth 32, 1664 features."""
    return DenseNet((6, 12, 32, 32), 32, in_channels=in_channels, num_classes=num_classes)


def densenet201(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """Growth 32, 1920 features."""
    return DenseNet((6, 12, 48, 32), 32, in_channels=in_channels, num_classes=num_classes)
