"""Blocks of the classic networks: the catalogue is built of them, and so may be networks of one's own.

N images, C channels, H×W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DenseBlock", "Inception", "Residual", "nin_block", "transition", "vgg_block"]


def vgg_block(
    convolutions: int, in_channels: int, out_channels: int, *, batch_norm: bool = False
) -> nn.Sequential:
    """`convolutions` times (3×3 convolution, batch norm where asked, ReLU), then 2×2 max-pooling.

    N×`in_channels`×H×W → N×`out_channels`×H/2×W/2: two 3×3 convolutions see as far as one 5×5, with fewer weights
    and one more non-linearity. Simonyan & Zisserman 2014, "Very deep convolutional networks …".

    >>> vgg_block(2, 3, 16)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 16, 4, 4])
    """
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU())
        in_channels = out_channels
    layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def nin_block(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int
) -> nn.Sequential:
    """A convolution and two 1×1 convolutions, each with ReLU.

    The 1×1 convolutions are a small fully connected network that every pixel runs through on its own. Lin, Chen & Yan
    2013, "Network in network".

    >>> nin_block(3, 16, kernel_size=5, stride=1, padding=2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 16, 8, 8])
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four paths over the same input, whose outputs are concatenated along the channels.

    N×`in_channels`×H×W → N×(one + three[1] + five[1] + pooled)×H×W. The 1×1 convolutions before the large ones cut
    the channels down first, which is what makes the block cheap. Szegedy et al. 2014, "Going deeper with convolutions".

    >>> Inception(192, 64, (96, 128), (16, 32), 32)(torch.zeros(1, 192, 8, 8)).shape
    torch.Size([1, 256, 8, 8])
    """

    def __init__(
        self, in_channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.path1 = nn.Sequential(nn.Conv2d(in_channels, one, kernel_size=1), nn.ReLU())
        self.path2 = nn.Sequential(
            nn.Conv2d(in_channels, three[0], kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(three[0], three[1], kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.path3 = nn.Sequential(
            nn.Conv2d(in_channels, five[0], kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(five[0], five[1], kernel_size=5, padding=2),
            nn.ReLU(),
        )
        self.path4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            nn.Conv2d(in_channels, pooled, kernel_size=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the four paths."""
        return torch.cat([self.path1(x), self.path2(x), self.path3(x), self.path4(x)], dim=1)


class Residual(nn.Module):
    """Two 3×3 convolutions that learn what to add to their input: relu(x + f(x)).

    N×`in_channels`×H×W → N×`out_channels`×H/stride×W/stride. Where the shape changes, a 1×1 convolution without
    batch norm brings the input to it. He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition".

    >>> Residual(3, 6, stride=2)(torch.zeros(4, 3, 6, 6)).shape
    torch.Size([4, 6, 3, 3])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        same_shape = in_channels == out_channels and stride == 1
        self.skip = (
            nn.Identity()
            if same_shape
            else nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + f(x))."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.skip(x) + y)


def _pre_activated(in_channels: int, growth: int) -> nn.Sequential:
    """Batch norm, ReLU, 3×3 convolution to `growth` new channels, in this order: "pre-activation"."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels), nn.ReLU(), nn.Conv2d(in_channels, growth, kernel_size=3, padding=1)
    )


class DenseBlock(nn.Module):
    """Convolutions that each see the outputs of all before them: N×C×H×W → N×(C + convolutions·growth)×H×W.

    Huang, Liu, van der Maaten & Weinberger 2016, "Densely connected convolutional networks".

    >>> DenseBlock(2, in_channels=3, growth=10)(torch.zeros(4, 3, 8, 8)).shape
    torch.Size([4, 23, 8, 8])
    """

    def __init__(self, convolutions: int, in_channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _pre_activated(in_channels + i * growth, growth) for i in range(convolutions)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate each convolution's output to its input."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


def transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """Fewer channels by a 1×1 convolution and half the size by average pooling, lest the blocks outgrow memory.

    N×`in_channels`×H×W → N×`out_channels`×H/2×W/2.

    >>> transition(23, 10)(torch.zeros(4, 23, 8, 8)).shape
    torch.Size([4, 10, 4, 4])
    """
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size=1),
        nn.AvgPool2d(kernel_size=2, stride=2),
    )
