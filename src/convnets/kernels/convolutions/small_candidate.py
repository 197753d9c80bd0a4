"""The native convolution for few channels, in the form in which convolutions choose among kernels."""

from __future__ import annotations

from torch import Tensor

from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.convolutions.small_convolution import applies as is_small
from convnets.kernels.convolutions.small_convolution import (
    small_forward,
    small_input_gradient,
    small_weight_gradient,
)

__all__ = ["applies", "applies_back", "forward", "input_gradient", "weight_gradient"]


def applies(shape: ConvolutionShape) -> bool:
    """Few channels, bf16 or float32, and the native kernels are there."""
    narrow = shape.dtype in ("bf16", "fp32")
    return narrow and is_small(shape.in_channels, shape.out_channels, shape.kernel, shape.stride)


def applies_back(shape: ConvolutionShape) -> bool:
    """`applies` for the gradient of the input."""
    return applies(shape) and is_small(
        shape.in_channels, shape.out_channels, shape.kernel, shape.stride, input_gradient=True
    )


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool) -> Tensor:
    """N×C×H×W → N×O×H'×W'."""
    y = small_forward(x, weight, bias, shape.stride, shape.padding)
    return y.relu_() if relu else y


def input_gradient(gradient: Tensor, _x: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
    """∂L/∂y (N×O×H'×W') → ∂L/∂x (N×C×H×W)."""
    sizes = (shape.batch, shape.in_channels, shape.height, shape.width)
    return small_input_gradient(gradient, weight, sizes, shape.stride, shape.padding)


def weight_gradient(gradient: Tensor, x: Tensor, shape: ConvolutionShape) -> tuple[Tensor, Tensor | None]:
    """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O) where there is one, in float32."""
    sizes = (shape.out_channels, shape.in_channels, *shape.kernel)
    found, bias = small_weight_gradient(x, gradient, sizes, shape.stride, shape.padding)
    return found, bias if shape.bias else None
