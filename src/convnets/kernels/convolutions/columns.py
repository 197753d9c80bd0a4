"""The columns of im2col: for each output pixel, the input values that it is summed from, as a row of a matrix.

They are copied a few images (or a band of one image) at a time, so that the buffer has a bound and can stay in
the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["patch_columns", "plane_columns"]


def patch_columns(x: Tensor, shape: ConvolutionShape, limit: int) -> Iterator[tuple[slice, Tensor]]:
    """The rows of N·H'·W' that a part holds, and that part: rows × KH·KW·C.

    `x` is N×C×H×W, channels-last. A part takes at most `limit` bytes, or one line of output where that is more.
    The buffer is written again for the next part.
    """
    (out_height, out_width), (down, right) = shape.output_size, shape.stride
    line = out_width * shape.taps
    images = max(1, min(shape.batch, limit // (x.element_size() * line * out_height)))
    lines = out_height if images > 1 else max(1, min(out_height, limit // (x.element_size() * line)))
    buffer = x.new_empty(images * lines * line)
    for first, padded in _padded(x, shape, images):
        count, outer, middle, inner = len(padded), *padded.stride()[:3]
        patches = padded.as_strided(
            (count, out_height, out_width, *shape.kernel, shape.in_channels),
            (outer, down * middle, right * inner, middle, inner, 1),
            padded.storage_offset(),
        )
        for top, bottom in _bands(out_height, lines):
            start = first * out_height * out_width + top * out_width
            rows = count * (bottom - top) * out_width
            part = buffer[: rows * shape.taps]
            part.view(patches[:, top:bottom].shape).copy_(patches[:, top:bottom])
            yield slice(start, start + rows), part.view(rows, shape.taps)


def plane_columns(x: Tensor, shape: ConvolutionShape, limit: int) -> Iterator[tuple[slice, Tensor]]:
    """The rows of N·H'·W' that a part holds, and that part: C·KH·KW × rows, the columns transposed.

    Each of its rows is a shifted plane, so that one copy moves a line of pixels instead of KW·C values: the better
    way where there are few channels. `x` is N×C×H×W in any layout; the sizes of parts are as in `patch_columns`.
    """
    (out_height, out_width), (down, right) = shape.output_size, shape.stride
    (height, width), (above, left) = (shape.height, shape.width), shape.padding
    image = out_height * out_width * shape.taps
    images = max(1, min(shape.batch, limit // (x.element_size() * image)))
    padded = x.new_zeros(shape.in_channels, images, height + 2 * above, width + 2 * left)
    buffer = x.new_empty(images * image)
    plane, outer, middle, _ = padded.stride()
    channels_first = x.transpose(0, 1)
    for first in range(0, shape.batch, images):
        count = min(images, shape.batch - first)
        inside = padded[:, :count, above : above + height, left : left + width]
        inside.copy_(channels_first[:, first : first + count])
        planes = padded.as_strided(
            (shape.in_channels, *shape.kernel, count, out_height, out_width),
            (plane, middle, 1, outer, down * middle, right),
        )
        part = buffer[: count * image]
        part.view(planes.shape).copy_(planes)
        rows = out_height * out_width
        yield slice(first * rows, (first + count) * rows), part.view(shape.taps, count * rows)


def _padded(x: Tensor, shape: ConvolutionShape, images: int) -> Iterator[tuple[int, Tensor]]:
    """Groups of images as N×H×W×C with the border of zeros, each with the number of its first."""
    last = x.permute(0, 2, 3, 1)
    (height, width), (above, left) = (shape.height, shape.width), shape.padding
    if (above, left) == (0, 0):
        for first in range(0, shape.batch, images):
            yield first, last[first : first + images]
        return
    buffer = x.new_zeros(images, height + 2 * above, width + 2 * left, shape.in_channels)
    for first in range(0, shape.batch, images):
        part = last[first : first + images]
        buffer[: len(part), above : above + height, left : left + width].copy_(part)
        yield first, buffer[: len(part)]


def _bands(height: int, lines: int) -> Iterator[tuple[int, int]]:
    return pairwise([*range(0, height, lines), height])
