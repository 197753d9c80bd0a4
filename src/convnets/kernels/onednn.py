"""Convolution by oneDNN's own kernels, which is what PyTorch runs on the processor."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from convnets.kernels.convolution_shape import ConvolutionShape, channels_last

__all__ = ["applies", "forward", "fuses", "input_gradient", "weight_gradient"]


def applies(_shape: ConvolutionShape) -> bool:
    """oneDNN takes every shape."""
    return True


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool) -> Tensor:
    """N×C×H×W → N×O×H'×W'; `relu` is applied by the same kernel, before the result reaches memory."""
    stride, padding = list(shape.stride), list(shape.padding)
    if relu and fuses(x.dtype):
        done: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, [1, 1], 1, "relu", [], ""
        )
        return channels_last(done)
    y = torch.convolution(x, weight, bias, stride, padding, [1, 1], False, [0, 0], 1)
    return channels_last(y.relu_() if relu else y)


def input_gradient(gradient: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
    """∂L/∂y (N×O×H'×W') → ∂L/∂x (N×C×H×W)."""
    # PyTorch asks for an input, for its sizes and layout; memory that nobody touches costs nothing
    x = gradient.new_empty(shape.batch, shape.height, shape.width, shape.in_channels).permute(0, 3, 1, 2)
    return channels_last(_backward(gradient, x, weight, shape, (True, False, False))[0])


def weight_gradient(gradient: Tensor, x: Tensor, shape: ConvolutionShape) -> tuple[Tensor, Tensor | None]:
    """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O) where there is one."""
    weight = x.new_empty(shape.out_channels, *shape.kernel, shape.in_channels).permute(0, 3, 1, 2)
    _, found, bias = _backward(gradient, x, weight, shape, (False, True, shape.bias))
    return found, bias if shape.bias else None


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, shape: ConvolutionShape, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight,
        [shape.out_channels] if shape.bias else None,
        list(shape.stride),
        list(shape.padding),
        [1, 1],
        False,
        [0, 0],
        1,
        list(wanted),
    )
    return found


@cache
def fuses(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has oneDNN's fused kernels for `dtype`; they are internal, so they are tried once."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch._C._has_mkldnn:
        return False
    x, weight, bias = torch.ones(2, 3, dtype=dtype), torch.ones(2, 3, dtype=dtype), torch.ones(2, dtype=dtype)
    image, kernel = channels_last(x.view(2, 3, 1, 1)), channels_last(-weight.view(2, 3, 1, 1))
    try:
        plane = torch.ops.mkldnn._convolution_pointwise(
            image, kernel, bias, [0, 0], [1, 1], [1, 1], 1, "relu", [], ""
        )
        row = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu", [], "")
    except (RuntimeError, AttributeError, TypeError):
        return False
    return bool((plane == 0).all()) and bool((row == 4).all())
