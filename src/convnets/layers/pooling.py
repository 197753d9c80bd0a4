"""Pooling: a window of pixels becomes one. N images, C channels, H×W pixels, H'×W' positions."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.layers.number_types import as_floats, lowest
from convnets.layers.windows import Pair, as_pair, check_maps, shifted_maps

__all__ = [
    "AdaptiveAveragePool",
    "AveragePool",
    "GlobalAveragePool",
    "MaxPool",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "global_average_pool",
    "global_max_pool",
    "max_pool",
]


def max_pool(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """The largest value of each window, max over i, j of x[p·s + i·d − m, q·s + j·d − m]: N×C×H'×W'.

    Padding counts as the lowest number there is (−∞), so it never wins; the gradient goes to the largest pixel, to
    the first of equal ones. The stride is the kernel's size by default. Raises InputError where the window does not
    fit.

    >>> max_pool(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 0]
    tensor([[ 5.,  7.],
            [13., 15.]])
    """
    check_maps(x, "max-pooling")
    _check_padding(kernel_size, padding)
    stride = kernel_size if stride is None else stride
    maps = shifted_maps(x, kernel_size, stride, padding, dilation, fill=lowest(x.dtype))
    return torch.stack([seen for _, _, seen in maps]).max(dim=0).values  # k·k×N×C×H'×W' → N×C×H'×W'


def average_pool(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window, (1 / k²) Σ_i Σ_j x[p·s + i − m, q·s + j − m]: N×C×H'×W'.

    Padding counts as zeros, or, without `count_include_pad`, not at all. The stride is the kernel's size by default.
    Raises InputError where the window does not fit.

    >>> average_pool(torch.arange(16.0).view(1, 1, 4, 4), 2)[0, 0]
    tensor([[ 2.5000,  4.5000],
            [10.5000, 12.5000]])
    """
    check_maps(x, "average pooling")
    _check_padding(kernel_size, padding)
    stride = kernel_size if stride is None else stride

    def sums(maps: Tensor) -> Tensor:
        return torch.stack([seen for _, _, seen in shifted_maps(maps, kernel_size, stride, padding)]).sum(0)

    height, width = as_pair(kernel_size)
    pixels = height * width if count_include_pad else sums(torch.ones_like(x[:1, :1]))  # 1×1×H'×W'
    return sums(x) / pixels


def adaptive_average_pool(x: Tensor, output_size: Pair) -> Tensor:
    """As many cells as asked for, each the mean of its share of the pixels: N×C×H×W → N×C×`output_size`.

    Of S pixels in n cells, cell i has those from ⌊i·S / n⌋ to ⌈(i + 1)·S / n⌉ − 1; cells overlap where n does not
    divide S.

    >>> adaptive_average_pool(torch.arange(5.0).view(1, 1, 1, 5), (1, 2)).flatten()
    tensor([1., 3.])
    """
    check_maps(x, "adaptive average pooling")
    rows, columns = as_pair(output_size)
    lines = [
        torch.stack(
            [as_floats(x[:, :, top, left]).mean((2, 3)) for left in _cells(x.shape[3], columns)], dim=2
        )
        for top in _cells(x.shape[2], rows)
    ]  # `rows` times N×C×`columns`
    return torch.stack(lines, dim=2)


def adaptive_max_pool(x: Tensor, output_size: Pair) -> Tensor:
    """The largest value of each cell of `adaptive_average_pool`: N×C×H×W → N×C×`output_size`.

    >>> adaptive_max_pool(torch.arange(5.0).view(1, 1, 1, 5), (1, 2)).flatten()
    tensor([2., 4.])
    """
    check_maps(x, "adaptive max-pooling")
    rows, columns = as_pair(output_size)
    lines = [
        torch.stack(
            [x[:, :, top, left].flatten(2).max(dim=2).values for left in _cells(x.shape[3], columns)], dim=2
        )
        for top in _cells(x.shape[2], rows)
    ]
    return torch.stack(lines, dim=2)


def global_average_pool(x: Tensor) -> Tensor:
    """The mean of each map, whatever its size: N×C×H×W → N×C×1×1. Lin, Chen & Yan 2013, "Network in network".

    >>> global_average_pool(torch.arange(4.0).view(1, 1, 2, 2)).item()
    1.5
    """
    check_maps(x, "global average pooling")
    return as_floats(x).mean((2, 3), keepdim=True)


def global_max_pool(x: Tensor) -> Tensor:
    """The largest value of each map: N×C×H×W → N×C×1×1.

    >>> global_max_pool(torch.arange(4.0).view(1, 1, 2, 2)).item()
    3.0
    """
    check_maps(x, "global max-pooling")
    return x.flatten(2).max(dim=2).values[:, :, None, None]


def _cells(size: int, count: int) -> Iterator[slice]:
    for i in range(count):
        yield slice(i * size // count, -(-(i + 1) * size // count))


def _check_padding(kernel_size: Pair, padding: Pair) -> None:
    for kernel, margin in zip(as_pair(kernel_size), as_pair(padding), strict=True):
        if not 0 <= margin <= kernel // 2:  # a window could else see nothing but padding
            raise ConfigError(
                f"padding is {margin}; allowed for a pooling window of {kernel}: 0 to {kernel // 2}"
            )


class MaxPool(nn.Module):
    """`max_pool` as a layer, with the arguments of `nn.MaxPool2d`."""

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1
    ) -> None:
        super().__init__()
        _check_padding(kernel_size, padding)
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H'×W'."""
        return max_pool(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        """The window, for `print(network)`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AveragePool(nn.Module):
    """`average_pool` as a layer, with the arguments of `nn.AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        _check_padding(kernel_size, padding)
        self.kernel_size, self.padding, self.count_include_pad = kernel_size, padding, count_include_pad
        self.stride = kernel_size if stride is None else stride

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H'×W'."""
        return average_pool(x, self.kernel_size, self.stride, self.padding, self.count_include_pad)

    def extra_repr(self) -> str:
        """The window, for `print(network)`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAveragePool(nn.Module):
    """`adaptive_average_pool` as a layer: N×C×H×W → N×C×`output_size`."""

    def __init__(self, output_size: Pair) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """N×C×`output_size`."""
        return adaptive_average_pool(x, self.output_size)


class GlobalAveragePool(nn.Module):
    """`global_average_pool` as a layer: N×C×H×W → N×C×1×1."""

    def forward(self, x: Tensor) -> Tensor:
        """N×C×1×1."""
        return global_average_pool(x)
