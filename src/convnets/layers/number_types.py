"""Types of numbers: whole numbers that an operation is given must not cut its result or run over."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["as_floats", "for_products", "lowest"]


def as_floats(x: Tensor) -> Tensor:
    """`x` itself where it holds floats; whole numbers and booleans as PyTorch's default float type.

    >>> as_floats(torch.tensor([1, 2])), as_floats(torch.tensor([1.0], dtype=torch.float64)).dtype
    (tensor([1., 2.]), torch.float64)
    """
    return x if x.is_floating_point() or x.is_complex() else x.to(torch.get_default_dtype())


def for_products(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in a type that holds sums of their products: whole numbers as int64, or as the other one's floats.

    A sum of products of uint8 would start again at 0 above 255. Two float tensors stay as they are.

    >>> [each.dtype for each in for_products(torch.tensor([200], dtype=torch.uint8), torch.tensor([0.5]))]
    [torch.float32, torch.float32]
    """
    if x.is_floating_point() and weight.is_floating_point():
        return x, weight
    common = torch.promote_types(x.dtype, weight.dtype)
    dtype = common if common.is_floating_point or common.is_complex else torch.int64
    return x.to(dtype), weight.to(dtype)


def lowest(dtype: torch.dtype) -> float:
    """What no number of this type is below, for padding that never is the largest.

    >>> lowest(torch.float32), lowest(torch.int8)
    (-inf, -128)
    """
    if dtype.is_floating_point:
        return -torch.inf
    return 0 if dtype is torch.bool else torch.iinfo(dtype).min
