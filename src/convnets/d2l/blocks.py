"""Operations and networks of the book's listings, where the listing itself is not the lesson."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedParameter

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
    """Two-dimensional cross-correlation of a picture H×W with a kernel h×w: (H − h + 1)×(W − w + 1).

    >>> corr2d(torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2))
    tensor([[19., 25.],
            [37., 43.]])
    """
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1), dtype=X.dtype, device=X.device)
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

    Takes both orders of arguments: `Residual(input_channels, num_channels, use_1x1conv=…, strides=…)`, and with
    one number, `Residual(num_channels, use_1x1conv=…, strides=…)`, which finds its input channels when it first runs.
    """

    def __init__(
        self,
        input_channels: int,
        num_channels: int | None = None,
        use_1x1conv: bool = False,
        strides: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(num_channels, bool):  # Residual(64, True, 2): the later editions' order
            use_1x1conv, strides = num_channels, int(use_1x1conv) or 1
        lazy = num_channels is None or isinstance(num_channels, bool)
        out = input_channels if lazy or num_channels is None else num_channels

        def conv(kernel_size: int, padding: int, stride: int, from_input: bool) -> nn.Conv2d:
            if lazy:
                return nn.LazyConv2d(out, kernel_size=kernel_size, padding=padding, stride=stride)
            return nn.Conv2d(
                input_channels if from_input else out,
                out,
                kernel_size=kernel_size,
                padding=padding,
                stride=stride,
            )

        self.conv1 = conv(3, 1, strides, True)
        self.conv2 = conv(3, 1, 1, False)
        self.conv3: nn.Module | None = conv(1, 0, strides, True) if use_1x1conv else None
        self.bn1: nn.Module = nn.LazyBatchNorm2d() if lazy else nn.BatchNorm2d(out)
        self.bn2: nn.Module = nn.LazyBatchNorm2d() if lazy else nn.BatchNorm2d(out)

    def forward(self, X: Tensor) -> Tensor:
        """N×C×H×W → N×out×H/strides×W/strides."""
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return F.relu(Y + (X if self.conv3 is None else self.conv3(X)))


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
    """The book's slightly changed ResNet-18 for small pictures: 3×3 first convolution, no max-pooling; logits."""

    def stage(in_channels: int, out_channels: int, first: bool = False) -> nn.Sequential:
        strides = 1 if first else 2
        return nn.Sequential(
            Residual(in_channels, out_channels, use_1x1conv=not first, strides=strides),
            Residual(out_channels, out_channels),
        )

    return nn.Sequential(
        nn.Sequential(nn.Conv2d(in_channels, 64, kernel_size=3, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
        stage(64, 64, first=True),
        stage(64, 128),
        stage(128, 256),
        stage(256, 512),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(512, num_classes),
    )
