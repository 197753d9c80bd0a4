"""Indices and masks, as NumPy takes them."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = ["Indices", "chosen_places"]

Indices = Tensor | np.ndarray[Any, Any] | Iterable[int] | int | slice
"""Whole numbers (from the end where negative), a mask of booleans with one for each image, or a slice."""


def chosen_places(indices: Indices, length: int, what: str = "images") -> Tensor:
    """The places that `indices` means in something of `length`: int64, each from 0 to length − 1.

    Raises InputError for a mask of another length, numbers that are not whole, and places that are not there.

    >>> chosen_places([True, False, True], 3), chosen_places([-1, 0], 3), chosen_places(slice(1, None), 3)
    (tensor([0, 2]), tensor([2, 0]), tensor([1, 2]))
    """
    if isinstance(indices, slice):
        return torch.arange(length)[indices]
    given = _as_tensor(indices, what)
    if given.ndim == 0:
        given = given[None]
    if given.ndim != 1:
        raise InputError(
            f"indices have shape {tuple(given.shape)}; allowed: one list of numbers, or one mask"
        )
    if given.dtype == torch.bool:
        if len(given) != length:
            raise InputError(f"the mask has {len(given)} values for {length} {what}; one for each is allowed")
        return given.nonzero().flatten()
    if given.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    if given.is_floating_point() or given.is_complex():
        raise InputError(
            f"indices are {given.dtype}; allowed: whole numbers or a mask of booleans, such as labels == 3"
        )
    places = given.to(torch.int64)
    outside = places[(places < -length) | (places >= length)]
    if len(outside):
        raise InputError(f"index {int(outside[0])} of {length} {what}; allowed: {-length} to {length - 1}")
    return torch.where(places < 0, places + length, places)


def _as_tensor(indices: Any, what: str) -> Tensor:
    if isinstance(indices, Tensor):
        return indices.detach().cpu()
    if isinstance(indices, str | bytes | dict):
        raise InputError(
            f"indices are a {type(indices).__name__}; allowed: whole numbers or a mask of {what}"
        )
    if not isinstance(indices, np.ndarray):
        indices = _from_python(indices)
    if indices.dtype == object or indices.dtype.kind not in "biuf":
        raise InputError(f"indices are of type {indices.dtype}; allowed: whole numbers or a mask of booleans")
    return torch.from_numpy(indices.astype(np.int64) if indices.dtype.kind in "iu" else indices.copy())


def _from_python(indices: Any) -> np.ndarray[Any, Any]:
    try:
        values = [operator.index(indices)] if not isinstance(indices, Iterable) else list(indices)
        kinds = {isinstance(value, bool | np.bool_) for value in values}
        if len(kinds) > 1:
            raise InputError("indices mix booleans and numbers; allowed: one or the other")
        return np.array(values) if values else np.empty(0, dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"indices cannot be read ({error}); allowed: whole numbers or a mask of booleans"
        ) from None
