"""What calls of the native convolutions share: the sizes as the C++ struct Geometry, functions and addresses."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from convnets.errors import InputError
from convnets.kernels.compiled import compiled_kernels

__all__ = ["Geometry", "address", "as_rows", "geometry", "native_function"]

Geometry = ctypes.Array[ctypes.c_int64]


def geometry(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Geometry:
    """The numbers of the C++ struct, in its order, of input N×C×H×W and weight K×C×kh×kw. Raises InputError.

    >>> list(geometry((2, 16, 8, 8), (32, 16, 3, 3), (1, 1), (1, 1)))[:7]
    [2, 8, 8, 16, 8, 8, 32]
    """
    images, channels, height, width = input_shape
    filters, weight_channels, kernel_height, kernel_width = weight_shape
    (down, across), (above, left) = stride, padding
    if channels != weight_channels:
        raise InputError(f"x has {channels} channels and the weight {weight_channels}; they must be equal")
    if min(down, across) < 1 or min(above, left) < 0:
        raise InputError(f"stride {stride}, padding {padding}; allowed: at least 1, at least 0")
    out_height = (height + 2 * above - kernel_height) // down + 1
    out_width = (width + 2 * left - kernel_width) // across + 1
    if min(out_height, out_width) < 1:
        size = f"{kernel_height}×{kernel_width}"
        raise InputError(f"the kernel {size} is larger than the padded image {height}×{width}; pad more")
    sizes = (images, height, width, channels, out_height, out_width, filters, kernel_height, kernel_width)
    return (ctypes.c_int64 * 14)(*sizes, down, across, above, left, torch.get_num_threads())


def as_rows(tensor: Tensor) -> Tensor:
    """N×C×H×W as N×H×W×C without gaps; a copy only where its memory is not channels-last."""
    return tensor.permute(0, 2, 3, 1).contiguous()


def native_function(name: str) -> ctypes._NamedFuncPointer:
    """A function of the native kernels that returns nothing. Raises InputError where they are not compiled."""
    library = compiled_kernels()
    if library is None:
        raise InputError("there are no native kernels here; ask `applies` first")
    function = getattr(library, name)
    function.restype = None
    return function  # type: ignore[no-any-return]


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where its numbers lie, null for None; the tensor must live until the call is over."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())
