"""Formatting: how shapes, large numbers and bytes are written in tables."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CONVENTION", "FIELD_CONVENTION", "MEMORY_CONVENTION", "format_bytes", "format_shape"]

CONVENTION = (
    "MACs: multiply-accumulates of convolutions and matrix products for one image, padding included; 1 MAC = 2 FLOPs.",
    "Beside them, in operations: a bias is 1 for each output; a norm 2 with fixed statistics, 8 where it measures them",
    "(6 without γ and β); pooling 1 for each place of a window (maximum: 1 less); softmax 5; any other function 1.",
)
MEMORY_CONVENTION = (
    "alive: most bytes of activations at one time while it runs in evaluation mode, its input included; kept: bytes",
    "that autograd keeps for its backward pass. For one image, without weights and kernels' workspace.",
)
FIELD_CONVENTION = (
    "field: pixels of the image, padding included, that one unit sees; * larger than the image, ≤ at most.",
)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_shape(shape: Sequence[int] | None) -> str:
    """A shape with × between its sides.

    >>> format_shape((64, 56, 56))
    '64×56×56'
    """
    return "–" if shape is None else "×".join(map(str, shape)) or "1"


def format_bytes(count: int | None) -> str:
    """Bytes to three figures, in powers of 1024.

    >>> format_bytes(802816), format_bytes(1000)
    ('784 KiB', '1000 B')
    """
    if count is None:
        return "–"
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"
