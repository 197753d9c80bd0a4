"""Convolutions with many channels by native kernels: forward, input gradient, weight gradient.

A block of sums stays in registers over all taps and channels. It holds one pixel of several images: the same taps are
valid for all of them, so that the border of zeros is never multiplied. On maps of 3×3 pixels that border is two fifths
of what libraries multiply.

In float32 on any processor; in bfloat16 on one with products of bfloat16 pairs (AVX512-BF16).
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.native_call import Geometry, address, as_rows, geometry, native_function

__all__ = ["applies", "applies_back", "applies_forward", "forward", "input_gradient", "weight_gradient"]

_SUFFIXES = {"bf16": "bf16", "fp32": "f32"}
_LEAST_CHANNELS = 16  # a vector's lanes


def applies(shape: ConvolutionShape) -> bool:
    """16 channels or more on both sides, and the kernels for its type are there."""
    library = compiled_kernels()
    if library is None or min(shape.in_channels, shape.out_channels) < _LEAST_CHANNELS:
        return False
    pairs = shape.dtype == "bf16" and library.convnets_has_bfloat16_pairs() == 1
    return pairs or shape.dtype == "fp32"


def applies_forward(shape: ConvolutionShape) -> bool:
    """`applies`, in bf16 with an even number of input channels: they are multiplied in pairs."""
    return (shape.dtype == "fp32" or shape.in_channels % 2 == 0) and applies(shape)


def applies_back(shape: ConvolutionShape) -> bool:
    """`applies`, in bf16 with an even number of output channels."""
    return (shape.dtype == "fp32" or shape.out_channels % 2 == 0) and applies(shape)


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool) -> Tensor:
    """N×C×H×W → N×O×H'×W'; products are added in float32 and rounded once."""
    x, weight = as_rows(x), as_rows(weight)
    bias = None if bias is None else bias.float()
    y = x.new_empty(shape.batch, *shape.output_size, shape.out_channels)
    call = native_function(f"convnets_direct_forward_{_SUFFIXES[shape.dtype]}")
    call(_sizes(shape), address(x), address(weight), address(bias), ctypes.c_int64(relu), address(y))
    return y.permute(0, 3, 1, 2)


def input_gradient(gradient: Tensor, _x: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
    """∂L/∂y (N×O×H'×W') → ∂L/∂x (N×C×H×W); products are added in float32 and rounded once."""
    gradient, weight = as_rows(gradient), as_rows(weight)
    found = gradient.new_empty(shape.batch, shape.height, shape.width, shape.in_channels)
    call = native_function(f"convnets_direct_input_gradient_{_SUFFIXES[shape.dtype]}")
    call(_sizes(shape), address(gradient), address(weight), address(found))
    return found.permute(0, 3, 1, 2)


def weight_gradient(gradient: Tensor, x: Tensor, shape: ConvolutionShape) -> tuple[Tensor, Tensor | None]:
    """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O) where there is one, in float32.

    Each thread adds up some of the images, so that another number of threads rounds otherwise.
    """
    gradient, x = as_rows(gradient), as_rows(x)
    found = torch.empty(shape.out_channels, *shape.kernel, shape.in_channels)
    bias = torch.empty(shape.out_channels)
    call = native_function(f"convnets_direct_weight_gradient_{_SUFFIXES[shape.dtype]}")
    call(_sizes(shape), address(x), address(gradient), address(found), address(bias))
    return found.permute(0, 3, 1, 2), bias if shape.bias else None


def _sizes(shape: ConvolutionShape) -> Geometry:
    images = (shape.batch, shape.in_channels, shape.height, shape.width)
    weight = (shape.out_channels, shape.in_channels, *shape.kernel)
    return geometry(images, weight, shape.stride, shape.padding)
