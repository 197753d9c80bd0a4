"""Convolution as im2col and matrix products, over parts of the batch.

K. Chellapilla, S. Puri, P. Simard: High performance convolutional neural networks for document processing (2006).
It copies each input value up to KH·KW times, which pays where the maps are small and the channels many: there a
matrix product reaches the processor's peak, and direct kernels have too few pixels to work on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convnets.kernels.convolutions.columns import patch_columns, plane_columns
from convnets.kernels.convolutions.product import applies as is_product
from convnets.kernels.convolutions.product import rows_of, sum_rows, weight_matrix
from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["PatchProduct", "PlaneProduct"]

_FEW_CHANNELS = 4


@dataclass(frozen=True)
class PatchProduct:
    """im2col whose rows are patches; `limit` is the size of its buffer in bytes."""

    limit: int

    def applies(self, shape: ConvolutionShape) -> bool:
        """All but those that are a matrix product without a copy."""
        return not is_product(shape)

    def forward(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool
    ) -> Tensor:
        """N×C×H×W → N×O×H'×W'."""
        parts = patch_columns(x, shape, self.limit)
        return _multiply(parts, weight_matrix(weight).t(), bias, shape, relu)

    def weight_gradient(
        self, gradient: Tensor, x: Tensor, shape: ConvolutionShape
    ) -> tuple[Tensor, Tensor | None]:
        """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O), the parts added in float32."""
        rows = rows_of(gradient)
        total = _sum(rows[part].t() @ columns for part, columns in patch_columns(x, shape, self.limit))
        found = total.view(shape.out_channels, *shape.kernel, shape.in_channels).permute(0, 3, 1, 2)
        return found, sum_rows(rows) if shape.bias else None

    def input_gradient(self, gradient: Tensor, _x: Tensor, weight: Tensor, shape: ConvolutionShape) -> Tensor:
        """∂L/∂y (N×O×H'×W') → ∂L/∂x (N×C×H×W)."""
        borders = [side - 1 - pad for side, pad in zip(shape.kernel, shape.padding, strict=True)]
        if shape.stride != (1, 1) or min(borders) < 0:
            return _scatter(gradient, weight, shape, self.limit)
        # with stride 1 it is a convolution itself, with the kernels turned round and the channels swapped
        turned = replace(
            shape,
            in_channels=shape.out_channels,
            height=shape.output_size[0],
            width=shape.output_size[1],
            out_channels=shape.in_channels,
            padding=(borders[0], borders[1]),
            bias=False,
        )
        return _multiply(patch_columns(gradient, turned, self.limit), _turned(weight), None, turned, False)


@dataclass(frozen=True)
class PlaneProduct:
    """im2col whose columns are planes, for few channels; `limit` is the size of its buffer in bytes."""

    limit: int

    def applies(self, shape: ConvolutionShape) -> bool:
        """Up to four channels: gray or color images."""
        return shape.in_channels <= _FEW_CHANNELS and not is_product(shape)

    def forward(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape, relu: bool
    ) -> Tensor:
        """N×C×H×W → N×O×H'×W'."""
        parts = ((rows, columns.t()) for rows, columns in plane_columns(x, shape, self.limit))
        return _multiply(parts, weight.reshape(shape.out_channels, -1).t(), bias, shape, relu)

    def weight_gradient(
        self, gradient: Tensor, x: Tensor, shape: ConvolutionShape
    ) -> tuple[Tensor, Tensor | None]:
        """∂L/∂y (N×O×H'×W') → ∂L/∂weight (O×C×KH×KW) and ∂L/∂bias (O), the parts added in float32."""
        rows = rows_of(gradient)
        total = _sum(columns @ rows[part] for part, columns in plane_columns(x, shape, self.limit))
        found = total.t().reshape(shape.out_channels, shape.in_channels, *shape.kernel)
        return found, sum_rows(rows) if shape.bias else None


def _multiply(
    parts: Iterator[tuple[slice, Tensor]],
    matrix: Tensor,
    bias: Tensor | None,
    shape: ConvolutionShape,
    relu: bool,
) -> Tensor:
    """The output N×O×H'×W' from parts of the columns (rows × KH·KW·C) and the weights (KH·KW·C × O)."""
    y = matrix.new_empty(shape.batch, *shape.output_size, shape.out_channels)
    rows = y.view(-1, shape.out_channels)
    for part, columns in parts:
        out = rows[part]
        if bias is None:
            torch.mm(columns, matrix, out=out)
        else:
            torch.addmm(bias, columns, matrix, out=out)
        if relu:
            out.relu_()
    return y.permute(0, 3, 1, 2)


def _sum(products: Iterator[Tensor]) -> Tensor:
    """The sum of the parts, in float32 where there are several; each is summed in float32 and rounded once."""
    total = next(products)
    for product in products:
        total = total.to(torch.promote_types(total.dtype, torch.float32))
        total += product
    return total


def _turned(weight: Tensor) -> Tensor:
    """O×C×KH×KW, channels-last → KH·KW·O × C with both axes of the kernel reversed, copied in lines of C."""
    out_channels, channels, height, width = weight.shape
    turned = weight.new_empty(height, width, out_channels, channels)
    for i in range(height):
        for j in range(width):
            turned[i, j] = weight[:, :, height - 1 - i, width - 1 - j]
    return turned.view(-1, channels)


def _scatter(gradient: Tensor, weight: Tensor, shape: ConvolutionShape, limit: int) -> Tensor:
    """∂L/∂x by col2im: the columns' gradient, a product, added back to where each value came from."""
    (out_height, out_width), (down, right) = shape.output_size, shape.stride
    (height, width), (above, left) = (shape.height, shape.width), shape.padding
    matrix = weight_matrix(weight)
    image = out_height * out_width * shape.taps * gradient.element_size()
    images = max(1, min(shape.batch, limit // image))
    rows = gradient.permute(0, 2, 3, 1)
    found = gradient.new_empty(shape.batch, height, width, shape.in_channels)
    wide = torch.promote_types(gradient.dtype, torch.float32)
    buffer = gradient.new_empty(images, height + 2 * above, width + 2 * left, shape.in_channels, dtype=wide)
    for first in range(0, shape.batch, images):
        part = rows[first : first + images]
        columns = (part.reshape(-1, shape.out_channels) @ matrix).view(
            len(part), out_height, out_width, *shape.kernel, shape.in_channels
        )
        sums = buffer[: len(part)].zero_()
        for i in range(shape.kernel[0]):
            for j in range(shape.kernel[1]):
                bottom, end = i + down * (out_height - 1) + 1, j + right * (out_width - 1) + 1
                sums[:, i:bottom:down, j:end:right] += columns[:, :, :, i, j]
        found[first : first + images] = sums[:, above : above + height, left : left + width]
    return found.permute(0, 3, 1, 2)
