"""The IDX format of MNIST and its relatives: a magic number, the sizes, then one unsigned byte per value.

Source of the layout: http://yann.lecun.com/exdb/mnist/ ("The IDX file format"); all integers are big-endian.
"""

from __future__ import annotations

import math
import struct

import torch
from torch import Tensor

from convnets.errors import DataError

__all__ = ["read_idx"]

_UNSIGNED_BYTE = 0x08


def read_idx(content: bytes, name: str, ndim: int) -> Tensor:
    """The unpacked `content` of an IDX file of unsigned bytes → uint8 tensor with `ndim` axes.

    `name` is the file's, for messages. Raises DataError, with the numbers found and expected, for a wrong magic
    number or a count that does not fit the bytes that follow.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), "labels", ndim=1)
    tensor([7, 8, 9], dtype=torch.uint8)
    """
    header = 4 + 4 * ndim
    expected = _UNSIGNED_BYTE << 8 | ndim
    if len(content) < header:
        raise DataError(
            f"{name}: {len(content)} bytes; an IDX header of {ndim} sizes takes {header}; get the file again"
        )
    magic, *sizes = struct.unpack(f">{1 + ndim}I", content[:header])
    if magic != expected:
        raise DataError(
            f"{name}: magic number is {magic} (0x{magic:08x}); an IDX file of {ndim} sizes has {expected}"
        )
    found, needed = len(content) - header, math.prod(sizes)
    if found != needed:
        shape = " × ".join(map(str, sizes))
        raise DataError(f"{name}: header says {shape} = {needed} bytes; {found} follow; get the file again")
    # a bytearray, because a tensor over read-only bytes could be written to by accident
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[header:].reshape(sizes)
