"""The Euclidean norm over all gradients of a network, in one call where the native kernels are compiled."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convnets.kernels.compiled import compiled_kernels

__all__ = ["gradient_norm"]


def gradient_norm(gradients: Sequence[Tensor]) -> float:
    """√Σg² over tensors of any shapes; infinite or NaN where one of their numbers is. Waits for the device.

    Tensors that the native kernel cannot read as they lie (other types, devices or strides) take PyTorch's way,
    and so does everything where it is not compiled.

    >>> gradient_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
    5.0
    """
    if not gradients:
        return 0.0
    library = compiled_kernels()
    if library is None or not all(map(_lies_in_one_piece, gradients)):
        return float(torch.stack(torch._foreach_norm(list(gradients))).double().norm())
    count = len(gradients)
    add_up = library.convnets_sum_of_squares
    add_up.restype = ctypes.c_double
    total = add_up(
        (ctypes.c_void_p * count)(*[gradient.data_ptr() for gradient in gradients]),
        (ctypes.c_int64 * count)(*[gradient.numel() for gradient in gradients]),
        ctypes.c_int64(count),
        ctypes.c_int(torch.get_num_threads()),
    )
    return math.sqrt(total)


def _lies_in_one_piece(gradient: Tensor) -> bool:
    """Whether its numbers are the float32 numbers behind its address, in whatever order."""
    return (
        gradient.is_cpu
        and gradient.dtype == torch.float32
        and gradient.layout == torch.strided
        and (
            gradient.is_contiguous()
            or (gradient.dim() == 4 and gradient.is_contiguous(memory_format=torch.channels_last))
        )
    )
