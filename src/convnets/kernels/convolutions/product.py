"""Convolutions that are a matrix product as they stand: 1×1 kernels, and kernels as large as the image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["applies", "forward", "input_gradient", "rows_of", "sum_rows", "weight_gradient", "weight_matrix"]


def applies(shape: ConvolutionShape) -> bool:
    """No padding, and a 1×1 kernel with any stride or a kernel that covers the image."""
    whole = shape.kernel == (shape.height, shape.width)
    return shape.padding == (0, 0) and (whole or shape.kernel == (1, 1))


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool) -> Tensor:
    """N×C×H×W → N×O×H'×W'."""
    inputs, matrix = _inputs(x, shape), weight_matrix(weight)
    y = F.linear(inputs, matrix, bias)
    if relu:
        y.relu_()
    return y.view(shape.batch, *shape.output_size, shape.out_channels).permute(0, 3, 1, 2)


def input_gradient(gradient: Tensor, _x: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
    """∂L/∂y (N×O×H'×W') → ∂L/∂x; pixels that a stride steps over get zero."""
    rows = rows_of(gradient) @ weight_matrix(weight)
    if shape.kernel != (1, 1):
        return rows.view(shape.batch, shape.height, shape.width, shape.in_channels).permute(0, 3, 1, 2)
    found = rows.view(shape.batch, *shape.output_size, shape.in_channels).permute(0, 3, 1, 2)
    if shape.stride == (1, 1):
        return found
    spread = rows.new_zeros(shape.batch, shape.height, shape.width, shape.in_channels).permute(0, 3, 1, 2)
    spread[:, :, :: shape.stride[0], :: shape.stride[1]].copy_(found)
    return spread


def weight_gradient(gradient: Tensor, x: Tensor, shape: ConvolutionShape) -> tuple[Tensor, Tensor | None]:
    """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O) where there is one."""
    rows = rows_of(gradient)
    found = rows.t() @ _inputs(x, shape)
    shaped = found.view(shape.out_channels, *shape.kernel, shape.in_channels).permute(0, 3, 1, 2)
    return shaped, sum_rows(rows) if shape.bias else None


def rows_of(y: Tensor) -> Tensor:
    """N×C×H×W, channels-last → N·H·W×C, without a copy."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def weight_matrix(weight: Tensor) -> Tensor:
    """O×C×KH×KW, channels-last → O×KH·KW·C, without a copy."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


def sum_rows(rows: Tensor) -> Tensor:
    """The gradient of a bias: the sum over the first axis; PyTorch sums in float32 and rounds once."""
    return rows.sum(0)


def _inputs(x: Tensor, shape: ConvolutionShape) -> Tensor:
    """N·H'·W'×KH·KW·C: a copy only where a stride leaves pixels out."""
    if shape.kernel != (1, 1):
        return x.permute(0, 2, 3, 1).reshape(shape.batch, -1)
    strided = x[:, :, :: shape.stride[0], :: shape.stride[1]] if shape.stride != (1, 1) else x
    return rows_of(strided)
