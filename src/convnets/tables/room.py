"""Room for the values of a table: in memory, or in a file where memory would not hold them."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

__all__ = ["fits_in_memory", "room_for"]


def fits_in_memory(size: int) -> bool:
    """Whether `size` bytes are at most half of the memory that is free now."""
    return size <= psutil.virtual_memory().available // 2


def room_for(shape: tuple[int, ...], dtype: DTypeLike, *, in_memory: bool) -> NDArray[Any]:
    """An array to be filled; not in memory it lies in a file of the temporary folder, which ends with it.

    >>> room_for((2, 3), np.float32, in_memory=True).shape
    (2, 3)
    """
    if in_memory or 0 in shape:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # the mapping keeps it until it is let go
        return np.memmap(file, dtype, "w+", shape=shape)
