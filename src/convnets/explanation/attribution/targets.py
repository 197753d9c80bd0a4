"""Targets: which class of each image is asked about, from a name, a number, a list of them, or the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convnets.errors import InputError, UnknownNameError

__all__ = ["Target", "class_name", "settle_targets"]

Target: TypeAlias = int | str | Sequence[int | str] | Tensor
"""A class by number or name, or one for each image."""


def settle_targets(target: Target, images: int, classes: int, names: Sequence[str] | None) -> Tensor:
    """int64 N: the number of each image's class.

    A name that is also how a number is written, as `7` of the digits, is taken as a name. Raises InputError for a
    number that is no class or a list that is not as long as there are images, UnknownNameError for another name.

    >>> settle_targets(["dog", 0], 2, 2, ["cat", "dog"]).tolist(), settle_targets(1, 3, 2, None).tolist()
    ([1, 0], [1, 1, 1])
    """
    one = isinstance(target, str | Integral) or (isinstance(target, Tensor) and target.ndim == 0)
    given: Any = target.tolist() if isinstance(target, Tensor) else target
    each: list[Any] = [given] * images if one else list(given)
    if len(each) != images:
        raise InputError(
            f"{len(each)} targets for {images} images; allowed: one for all, or one for each image"
        )
    places = {name: place for place, name in enumerate(names or ())}
    return torch.tensor([_number(value, classes, places) for value in each], dtype=torch.int64, device="cpu")


def class_name(place: int, names: Sequence[str] | None) -> str:
    """The class's name, or its number where there are no names."""
    return names[place] if names is not None and place < len(names) else f"class {place}"


def _number(value: Any, classes: int, places: dict[str, int]) -> int:
    if isinstance(value, str):
        if value in places:
            return places[value]
        if not value.strip().isdecimal():
            raise UnknownNameError("class", value, places or ["0", f"{classes - 1}"], "or give its number")
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < classes:
        raise InputError(f"target is {value!r}; allowed: 0 to {classes - 1}, or the name of a class")
    return int(value)
