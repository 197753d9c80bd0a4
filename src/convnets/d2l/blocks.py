"""Operations and networks of the book's listings, where the listing itself is not the lesson."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedParameter

from convnets.errors import ConfigError, InputError

__all__ = ["ResNeXtBlock", "Residual", "corr2d", "init_cnn", "linreg", "resnet18", "sgd", "squared_loss"]


def linreg(X: Tensor, w: Tensor, b: Tensor | float) -> Tensor:
    """Xw + b."""
    return torch.matmul(X, w) + b


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """½ (ŷ − y)² for each example."""
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


@torch.no_grad()
def sgd(params: Any, lr: float, batch_size: int) -> None:
    """A step against the gradient of a summed loss, which is then set to zero."""
    for param in params:
        param -= lr * param.grad / batch_size
        param.grad.zero_()


def corr2d(X: Tensor, K: Tensor) -> Tensor:
    """Two-dimensional cross-correlation of a picture H×W with a kernel h×w: (H − h + 1)×(W − w + 1), floats.

    Whole numbers become floats first, and two types of floats the wider one. Raises InputError where either has not
    two axes, or the kernel is larger than the picture.

    >>> corr2d(torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2))
    tensor([[19., 25.],
            [37., 43.]])
    >>> corr2d(torch.arange(4).reshape(2, 2), torch.tensor([[0.5]]))
    tensor([[0.0000, 0.5000],
            [1.0000, 1.5000]])
    """
    if X.ndim != 2 or K.ndim != 2 or any(k > x for x, k in zip(X.shape, K.shape, strict=True)):
        got = f"a picture {tuple(X.shape)} and a kernel {tuple(K.shape)}"
        raise InputError(
            f"corr2d got {got}; allowed: H×W and h×w, with h and w up to H and W; take one channel"
        )
    common = torch.promote_types(X.dtype, K.dtype)
    dtype = common if common.is_floating_point else torch.get_default_dtype()
    X, K = X.to(dtype), K.to(dtype)
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1), dtype=dtype, device=X.device)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


def init_cnn(module: nn.Module) -> None:
    """Xavier's uniform weights for a linear layer or convolution; for `net.apply(init_cnn)`.

    A lazy layer that has not run yet has no weights, and is left as it is.
    """
    if isinstance(module, nn.Linear | nn.Conv2d) and not isinstance(module.weight, UninitializedParameter):
        nn.init.xavier_uniform_(module.weight)


class Residual(nn.Module):
    """The residual block of the book: two 3×3 convolutions with batch norm and a skip connection.

    Takes both orders of arguments: `Residual(input_channels, num_channels, use_1x1conv, strides)`, and with one
    number, `Residual(num_channels, use_1x1conv, strides)`, which finds its input channels when it first runs.

    >>> Residual(num_channels=6, use_1x1conv=True, strides=2)(torch.zeros(4, 3, 6, 6)).shape
    torch.Size([4, 6, 3, 3])
    """

    def __init__(
        self,
        input_channels: int | None = None,
        num_channels: int | None = None,
        use_1x1conv: bool | int = False,
        strides: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(num_channels, bool):  # Residual(64, True, 2) and Residual(64, True, strides=2)
            if not isinstance(use_1x1conv, bool):
                strides = use_1x1conv
            use_1x1conv, num_channels = num_channels, None
        if num_channels is None:
            input_channels, num_channels = None, input_channels
        if num_channels is None:
            raise ConfigError("Residual has no num_channels; allowed: 1 or more, such as Residual(64)")
        self.conv1 = _convolution(input_channels, num_channels, 3, strides)
        self.conv2 = _convolution(input_channels and num_channels, num_channels, 3, 1)
        self.conv3: nn.Module | None = None
        if use_1x1conv:
            self.conv3 = _convolution(input_channels, num_channels, 1, strides)
        self.bn1, self.bn2 = (_batch_norm(input_channels and num_channels) for _ in range(2))

    def forward(self, X: Tensor) -> Tensor:
        """N×C×H×W → N×out×H/strides×W/strides."""
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return F.relu(Y + (X if self.conv3 is None else self.conv3(X)))


def _convolution(in_channels: int | None, out_channels: int, kernel_size: int, stride: int) -> nn.Conv2d:
    """One that keeps the size at stride 1; without `in_channels` it finds them when it first runs."""
    padding = kernel_size // 2
    if in_channels is None:
        return nn.LazyConv2d(out_channels, kernel_size, stride=stride, padding=padding)
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding)


def _batch_norm(channels: int | None) -> nn.Module:
    return nn.LazyBatchNorm2d() if channels is None else nn.BatchNorm2d(channels)


class ResNeXtBlock(nn.Module):
    """The book's ResNeXt block: 1×1, grouped 3×3 and 1×1 convolutions with batch norm, and a skip connection.

    The middle has `round(num_channels * bot_mul)` channels in groups of `groups` channels each. Input channels are
    found when it first runs.
    """

    def __init__(
        self, num_channels: int, groups: int, bot_mul: float, use_1x1conv: bool = False, strides: int = 1
    ) -> None:
        super().__init__()
        middle = round(num_channels * bot_mul)
        self.conv1 = nn.LazyConv2d(middle, kernel_size=1)
        self.conv2 = nn.LazyConv2d(middle, kernel_size=3, stride=strides, padding=1, groups=middle // groups)
        self.conv3 = nn.LazyConv2d(num_channels, kernel_size=1)
        self.bn1, self.bn2, self.bn3 = nn.LazyBatchNorm2d(), nn.LazyBatchNorm2d(), nn.LazyBatchNorm2d()
        self.conv4 = nn.LazyConv2d(num_channels, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn4 = nn.LazyBatchNorm2d() if use_1x1conv else None

    def forward(self, X: Tensor) -> Tensor:
        """N×C×H×W → N×num_channels×H/strides×W/strides."""
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = F.relu(self.bn2(self.conv2(Y)))
        Y = self.bn3(self.conv3(Y))
        if self.conv4 is not None and self.bn4 is not None:
            X = self.bn4(self.conv4(X))
        return F.relu(Y + X)


def resnet18(num_classes: int, in_channels: int = 1) -> nn.Sequential:
    """The book's slightly changed ResNet-18 for small pictures: 3×3 first convolution, no max-pooling; logits.

    Its parts have the book's names, so that state dicts of either package load into the other.

    >>> [name for name, _ in resnet18(10).named_children()][2:5]
    ['2', 'resnet_block1', 'resnet_block2']
    """
    net = nn.Sequential(
        nn.Conv2d(in_channels, 64, kernel_size=3, padding=1),  # N×64×H×W
        nn.BatchNorm2d(64),
        nn.ReLU(),
    )
    widths = (64, 64, 128, 256, 512)
    for number, (before, width) in enumerate(itertools.pairwise(widths), 1):
        stage = nn.Sequential(
            Residual(before, width, use_1x1conv=number > 1, strides=1 if number == 1 else 2),
            Residual(width, width),
        )
        net.add_module(f"resnet_block{number}", stage)  # at last N×512×H/8×W/8
    net.add_module("global_avg_pool", nn.AdaptiveAvgPool2d((1, 1)))  # N×512×1×1
    net.add_module("fc", nn.Sequential(nn.Flatten(), nn.Linear(512, num_classes)))  # N×K
    return net
