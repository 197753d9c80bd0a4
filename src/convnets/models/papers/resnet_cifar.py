"""The ResNets that He et al. built for CIFAR-10: 20 to 110 layers, three stages, skip paths without weights.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 32×32 images.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes

__all__ = ["PlainSkipBlock", "ResNetCIFAR", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"]


class PlainSkipBlock(nn.Module):
    """relu(x + f(x)) with two 3×3 convolutions: N×`in_channels`×H×W → N×`out_channels`×H/stride×W/stride.

    The paper's option A: where the shape changes, the skip path takes every second pixel and fills the missing
    channels with zeros, so that it has no weights.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride = stride
        self.new_channels = out_channels - in_channels

    def skip(self, x: Tensor) -> Tensor:
        """The input, subsampled and padded with channels of zeros where the shape changes."""
        if self.stride == 1 and self.new_channels == 0:
            return x
        # windows of one pixel: the size then follows the formula of convolutions, for exported graphs too
        kept = F.avg_pool2d(x, kernel_size=1, stride=self.stride)
        return F.pad(kept, (0, 0, 0, 0, 0, self.new_channels))

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + f(x))."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.skip(x) + y)


def stage(blocks: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """`blocks` blocks; the first of them changes the shape."""
    first = PlainSkipBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(PlainSkipBlock(out_channels, out_channels) for _ in range(blocks - 1)))


class ResNetCIFAR(ImageClassifier):
    """ResNet for CIFAR-10, 2015.

    Paper: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2015, section 4.2.
    Idea: 6n + 2 layers, the same recipe from n = 3 to n = 18, to show that depth alone helps once it can be trained.
    Input: 32×32; any size.
    Differs from the paper: the zero channels of the skip path come after the others (the paper does not say where).
    """

    def __init__(self, n: int, *, in_channels: int = 3, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=1, lone_image=5)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=64, sizes=sizes)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 16, kernel_size=3, padding=1, bias=False),  # N×16×32×32
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        self.stage1 = stage(n, 16, 16, stride=1)
        self.stage2 = stage(n, 16, 32, stride=2)
        self.stage3 = stage(n, 32, 64, stride=2)
        initialize(self, "kaiming-normal")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(64, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last stage: N×64×H/4×W/4."""
        self.check_input(x)
        x = self.stem(x)  # N×16×32×32
        x = self.stage1(x)  # N×16×32×32
        x = self.stage2(x)  # N×32×16×16
        x = self.stage3(x)  # N×64×8×8
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×64."""
        x = self.flatten(self.pool(self.features(x)))  # N×64
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×64
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x


def resnet20(in_channels: int = 3, num_classes: int = 10) -> ResNetCIFAR:
    """n = 3: 19 convolutions and a linear layer."""
    return ResNetCIFAR(3, in_channels=in_channels, num_classes=num_classes)


def resnet32(in_channels: int = 3, num_classes: int = 10) -> ResNetCIFAR:
    """n = 5: 31 convolutions and a linear layer."""
    return ResNetCIFAR(5, in_channels=in_channels, num_classes=num_classes)


def resnet44(in_channels: int = 3, num_classes: int = 10) -> ResNetCIFAR:
    """n = 7: 43 convolutions and a linear layer."""
    return ResNetCIFAR(7, in_channels=in_channels, num_classes=num_classes)


def resnet56(in_channels: int = 3, num_classes: int = 10) -> ResNetCIFAR:
    """n = 9: 55 convolutions and a linear layer."""
    return ResNetCIFAR(9, in_channels=in_channels, num_classes=num_classes)


def resnet110(in_channels: int = 3, num_classes: int = 10) -> ResNetCIFAR:
    """n = 18: 109 convolutions and a linear layer."""
    return ResNetCIFAR(18, in_channels=in_channels, num_classes=num_classes)
