"""Windows: what a kernel sees as it slides over feature maps. N images, C channels, H×W pixels, H'×W' positions."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from convnets.core.shapes import window_output_size
from convnets.errors import InputError

__all__ = ["Pair", "as_pair", "check_maps", "shifted_maps"]

Pair = int | tuple[int, int]
"""A number for rows and columns alike, or one for each."""


def as_pair(value: Pair) -> tuple[int, int]:
    """The number for rows and the one for columns.

    >>> as_pair(3), as_pair((1, 2))
    ((3, 3), (1, 2))
    """
    return value if isinstance(value, tuple) else (value, value)


def check_maps(x: Tensor, operation: str) -> None:
    """Raise InputError unless `x` is N×C×H×W."""
    if x.ndim != 4:
        raise InputError(f"{operation} got shape {tuple(x.shape)}; allowed: N×C×H×W, such as (1, 3, 32, 32)")


def shifted_maps(
    x: Tensor, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, fill: float = 0.0
) -> Iterator[tuple[int, int, Tensor]]:
    """For each place (i, j) in the kernel, row by row: what it sees at all H'×W' positions, as N×C×H'×W'.

    At position (y, x) it is the pixel (y·stride + i·dilation − padding, x·stride + j·dilation − padding), or `fill`
    outside the maps. Raises InputError where the kernel is larger than the padded maps.

    >>> import torch
    >>> row = torch.arange(5.0).view(1, 1, 1, 5)
    >>> [seen.flatten().tolist() for _, _, seen in shifted_maps(row, (1, 2), stride=(1, 2))]
    [[0.0, 2.0], [1.0, 3.0]]
    """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (as_pair(each) for each in (kernel, stride, padding, dilation))
    height = window_output_size(x.shape[2], kh, sh, ph, dh)
    width = window_output_size(x.shape[3], kw, sw, pw, dw)
    if height < 1 or width < 1:
        got = f"{x.shape[2]}×{x.shape[3]} pixels with padding {ph}×{pw}"
        raise InputError(
            f"a window of {kh}×{kw}, dilation {dh}×{dw}, does not fit into {got}; use larger images"
        )
    padded = F.pad(x, (pw, pw, ph, ph), value=fill)  # N×C×(H + 2ph)×(W + 2pw)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            rows = slice(top, top + (height - 1) * sh + 1, sh)
            columns = slice(left, left + (width - 1) * sw + 1, sw)
            yield i, j, padded[:, :, rows, columns]  # N×C×H'×W'
