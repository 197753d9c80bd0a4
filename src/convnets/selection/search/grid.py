"""Grid: every combination of a space's values, in an order that covers it evenly from the start."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from convnets.core.seeds import derive_seed
from convnets.errors import ConfigError
from convnets.selection.search.space import Choice, Space

__all__ = ["grid_of", "grid_values"]

_LARGEST = 100_000


def grid_values(part: Any) -> tuple[Any, ...]:
    """The values of a part of a space: all of a choice, and of a range its `points`, ends included.

    >>> from convnets.selection.search.space import Range
    >>> grid_values(Range(0.001, 0.1, log=True))
    (0.001, 0.01, 0.1)
    """
    if isinstance(part, Choice):
        return tuple(dict.fromkeys(part.values))
    if part.points == 1:
        return (math.sqrt(part.low * part.high) if part.log else (part.low + part.high) / 2,)
    spaced = np.geomspace if part.log else np.linspace
    inner = spaced(part.low, part.high, part.points)[1:-1]
    return (part.low, *(float(f"{value:.6g}") for value in inner), part.high)


def grid_of(space: Space, seed: int) -> list[Mapping[str, Any]]:
    """Every combination once, shuffled by the seed so that a budget which ends early has seen all sides of it.

    Raises ConfigError for a grid too large to be meant.
    """
    values = {name: grid_values(part) for name, part in space.items()}
    size = math.prod(map(len, values.values()))
    if size > _LARGEST:
        raise ConfigError(
            f"the grid has {size:,} combinations; allowed: {_LARGEST:,}; take options out with --space "
            "(augment = false), or give fewer values"
        )
    combinations = [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]
    order = np.random.default_rng(derive_seed(seed, "grid")).permutation(size)
    return [combinations[place] for place in order]
