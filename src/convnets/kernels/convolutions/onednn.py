"""Convolution by oneDNN's own kernels, which is what PyTorch runs on the processor."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.kernels.convolutions.shape import ConvolutionShape, channels_last

__all__ = ["applies", "forward", "input_gradient", "weight_gradient"]


def applies(_shape: ConvolutionShape) -> bool:
    """oneDNN takes every shape."""
    return True


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool) -> Tensor:
    """N×C×H×W → N×O×H'×W'. oneDNN could apply `relu` itself, but its own turns NaN into zero and hides divergence."""
    y = torch.convolution(x, weight, bias, list(shape.stride), list(shape.padding), [1, 1], False, [0, 0], 1)
    return channels_last(y.relu_() if relu else y)


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
    """∂L/∂y (N×O×H'×W') → ∂L/∂x (N×C×H×W), for which PyTorch looks at the sizes and the layout of `x`."""
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
