"""Convolutions with few channels by native kernels: forward, input gradient, weight gradient.

Libraries block channels by sixteen and more; with 1, 3 or 6 of them most of their work is padding. Here a few
neighboring output pixels share a vector, and sums stay in registers while a band of an image is in the first-level
cache. bfloat16 products are exact and are added in float32.

None of the three is recorded for gradients: an `autograd.Function` or a test puts them together.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from convnets.errors import InputError
from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.native_call import Geometry, address, as_rows, geometry, native_function

__all__ = ["applies", "small_forward", "small_input_gradient", "small_weight_gradient"]

Pair: TypeAlias = int | tuple[int, int]

_SUFFIXES = {torch.bfloat16: "bf16", torch.float32: "f32"}
_MOST_TAPS = 512  # with more products per output the libraries' blocks are full
_MOST_FILTERS = 128
_MOST_CHANNELS_BACK = 16


def applies(
    in_channels: int,
    out_channels: int,
    kernel: Pair,
    stride: Pair = 1,
    *,
    groups: int = 1,
    dilation: Pair = 1,
    input_gradient: bool = False,
) -> bool:
    """Whether the kernels are there and worth a try: few input channels, one group, no dilation.

    Where no compiler is found it is False. `input_gradient` asks about that direction, which needs fewer channels.

    >>> applies(512, 512, 3)
    False
    """
    height, width = _pair(kernel)
    small = in_channels * height * width <= _MOST_TAPS and out_channels <= _MOST_FILTERS
    back = not input_gradient or in_channels <= _MOST_CHANNELS_BACK
    plain = groups == 1 and _pair(dilation) == (1, 1) and min(_pair(stride)) >= 1
    return small and back and plain and compiled_kernels() is not None


def small_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Pair = 1, padding: Pair = 0
) -> Tensor:
    """The convolution of x N×C×H×W with weight K×C×kh×kw, plus bias: N×K×H′×W′ in channels-last memory.

    x is bfloat16 or float32 on the processor, other memory formats are converted, and the result has its type.
    Weight and bias may be float32 or x's type; the weight is rounded to x's type.

    >>> x, weight = torch.randn(2, 1, 28, 28), torch.randn(6, 1, 5, 5)
    >>> small_forward(x, weight, padding=2).shape if applies(1, 6, 5) else (2, 6, 28, 28)
    torch.Size([2, 6, 28, 28])
    """
    suffix = _suffix(x, "x")
    sizes = geometry(x.shape, weight.shape, _pair(stride), _pair(padding))
    x, weight = as_rows(x), _rounded(weight, x)
    if bias is not None:
        bias = bias.detach().float().contiguous()
    y = x.new_empty(x.shape[0], sizes[4], sizes[5], weight.shape[0])
    if y.numel():
        call = native_function(f"convnets_small_forward_{suffix}")
        call(sizes, address(x), address(weight), address(bias), address(y))
    return y.permute(0, 3, 1, 2)


def small_input_gradient(
    gy: Tensor, weight: Tensor, input_shape: tuple[int, ...], stride: Pair = 1, padding: Pair = 0
) -> Tensor:
    """The gradient N×C×H×W = `input_shape` of the convolution's input, from gy N×K×H′×W′ and weight K×C×kh×kw.

    It has gy's type, bfloat16 or float32, and channels-last memory.

    >>> gy, weight = torch.randn(2, 16, 10, 10), torch.randn(16, 6, 5, 5)
    >>> shape = (2, 6, 14, 14)
    >>> small_input_gradient(gy, weight, shape).shape if applies(6, 16, 5) else shape
    torch.Size([2, 6, 14, 14])
    """
    suffix = _suffix(gy, "gy")
    sizes = geometry(input_shape, weight.shape, _pair(stride), _pair(padding))
    _check_output(gy, sizes)
    gy, weight = as_rows(gy), _rounded(weight, gy)
    images, channels, height, width = input_shape
    gx = gy.new_empty(images, height, width, channels)
    if gx.numel():
        native_function(f"convnets_small_input_gradient_{suffix}")(
            sizes, address(gy), address(weight), address(gx)
        )
    return gx.permute(0, 3, 1, 2)


def _rounded(weight: Tensor, like: Tensor) -> Tensor:
    """float32 rows of the weight's values in the type of `like`: not every processor rounds them by itself."""
    return as_rows(weight.detach().to(like.dtype)).float()


def small_weight_gradient(
    x: Tensor, gy: Tensor, weight_shape: tuple[int, ...], stride: Pair = 1, padding: Pair = 0
) -> tuple[Tensor, Tensor]:
    """The gradients in float32 of weight K×C×kh×kw = `weight_shape` (channels-last) and of bias K.

    x N×C×H×W and gy N×K×H′×W′ are both bfloat16 or both float32. The sums are added in an order that does not
    depend on the number of threads.

    >>> x, gy = torch.randn(2, 1, 28, 28), torch.randn(2, 6, 28, 28)
    >>> small_weight_gradient(x, gy, (6, 1, 5, 5), padding=2)[0].shape if applies(1, 6, 5) else (6, 1, 5, 5)
    torch.Size([6, 1, 5, 5])
    """
    suffix = _suffix(x, "x")
    if gy.dtype != x.dtype:
        raise InputError(f"gy is {gy.dtype} and x {x.dtype}; they must be of one type")
    sizes = geometry(x.shape, weight_shape, _pair(stride), _pair(padding))
    _check_output(gy, sizes)
    x, gy = as_rows(x), as_rows(gy)
    filters, channels, height, width = weight_shape
    weight = torch.zeros(filters, height, width, channels)
    bias = torch.zeros(filters)
    if gy.numel():
        call = native_function(f"convnets_small_weight_gradient_{suffix}")
        call(sizes, address(x), address(gy), address(weight), address(bias))
    return weight.permute(0, 3, 1, 2), bias


def _suffix(tensor: Tensor, name: str) -> str:
    suffix = _SUFFIXES.get(tensor.dtype)
    if suffix is None or tensor.device.type != "cpu":
        found = f"{tensor.dtype} on {tensor.device}"
        raise InputError(f"{name} is {found}; allowed: bfloat16 or float32 on the processor")
    return suffix


def _check_output(gy: Tensor, sizes: Geometry) -> None:
    expected = (sizes[0], sizes[6], sizes[4], sizes[5])
    if tuple(gy.shape) != expected:
        raise InputError(f"gy has shape {tuple(gy.shape)}; the convolution's output has {expected}")


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
