"""ResNet: networks of 18 to 152 layers, made trainable by skip paths.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 224×224 images, with
those of the networks of bottlenecks in brackets where they differ.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]

Blocks = tuple[int, int, int, int]
"""Blocks of the four stages: a column of the paper's table 1."""


def skip_path(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity; where the shape changes, a 1×1 convolution and batch norm (the paper's option B)."""
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """relu(x + f(x)) with two 3×3 convolutions: N×`in_channels`×H×W → N×`width`×H/stride×W/stride."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.skip = skip_path(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + f(x))."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.skip(x) + y)


class Bottleneck(nn.Module):
    """relu(x + f(x)) with a 3×3 convolution between two 1×1: N×`in_channels`×H×W → N×4`width`×H/stride×W/stride.

    The first convolution cuts the channels down to `width`, the last brings back four times as many.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.skip = skip_path(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + f(x))."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(self.skip(x) + y)


def stage(
    block: type[BasicBlock] | type[Bottleneck], blocks: int, in_channels: int, width: int, stride: int
) -> nn.Sequential:
    """`blocks` blocks of one width; the first of them changes the shape."""
    first = block(in_channels, width, stride)
    return nn.Sequential(first, *(block(block.expansion * width, width) for _ in range(blocks - 1)))


class ResNet(ImageClassifier):
    """ResNet, 2015.

    Paper: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2015.
    Idea: let a block learn what to add to its input; a block that can do nothing (f = 0) never makes a deeper
    network worse, and the skip path carries the gradient past it.
    Input: 224×224; any size.
    Differs from the paper: a bottleneck halves the size in its 3×3 convolution instead of the first 1×1 ("V1.5"),
    as in torchvision's published weights; about half a point better for 5 % more work.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: Blocks,
        *,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        features, sizes = 512 * block.expansion, InputSizes(smallest=1, lone_image=33)
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, embedding_size=features, sizes=sizes
        )
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False),  # N×64×112×112
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),  # N×64×56×56
        )
        self.stage1 = stage(block, blocks[0], 64, 64, stride=1)
        self.stage2 = stage(block, blocks[1], 64 * block.expansion, 128, stride=2)
        self.stage3 = stage(block, blocks[2], 128 * block.expansion, 256, stride=2)
        self.stage4 = stage(block, blocks[3], 256 * block.expansion, 512, stride=2)
        initialize(self, "kaiming-normal")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last stage: N×512×H/32×W/32 (N×2048×H/32×W/32)."""
        self.check_input(x)
        x = self.stem(x)  # N×64×56×56
        x = self.stage1(x)  # N×64×56×56 (N×256×56×56)
        x = self.stage2(x)  # N×128×28×28 (N×512×28×28)
        x = self.stage3(x)  # N×256×14×14 (N×1024×14×14)
        x = self.stage4(x)  # N×512×7×7 (N×2048×7×7)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×512 (N×2048)."""
        x = self.flatten(self.pool(self.features(x)))  # N×512 (N×2048)
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×512 (N×2048)
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def resnet18(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """8 basic blocks: 17 convolutions and a linear layer."""
    return ResNet(BasicBlock, (2, 2, 2, 2), in_channels=in_channels, num_classes=num_classes)


def resnet34(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """16 basic blocks: 33 convolutions and a linear layer."""
    return ResNet(BasicBlock, (3, 4, 6, 3), in_channels=in_channels, num_classes=num_classes)


def resnet50(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """16 bottlenecks: 49 convolutions and a linear layer."""
    return ResNet(Bottleneck, (3, 4, 6, 3), in_channels=in_channels, num_classes=num_classes)


def resnet101(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """33 bottlenecks: 100 convolutions and a linear layer."""
    return ResNet(Bottleneck, (3, 4, 23, 3), in_channels=in_channels, num_classes=num_classes)


def resnet152(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """50 bottlenecks: 151 convolutions and a linear layer."""
    return ResNet(Bottleneck, (3, 8, 36, 3), in_channels=in_channels, num_classes=num_classes)
