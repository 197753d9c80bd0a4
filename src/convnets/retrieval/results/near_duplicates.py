"""Near duplicates: images of an index whose vectors are nearly the same, in groups.

N vectors of D numbers each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.errors import ConfigError, DataError
from convnets.retrieval.index import distances_to

__all__ = ["Pair", "find_pairs", "group_pairs", "pairs_across"]

_ROWS = 1024  # compared at once with each block of as many: 4 MB of products
_PAIRS = 65_536  # compared by their differences at once
_MOST_PAIRS = 1_000_000
_ROUNDING = 1e-6  # of a product in float32


@dataclass(frozen=True)
class Pair:
    """Two rows, the lower first, and the Euclidean distance of their vectors."""

    first: int
    second: int
    distance: float


def find_pairs(
    vectors: Tensor, distance: float, progress: Callable[[int, int], None] | None = None
) -> list[Pair]:
    """Every pair of float32 N×D unit vectors that is at most `distance` apart, the nearest first.

    Exact, N²/2 products in blocks. Raises ConfigError for a distance that is not between 0 and 2, DataError for
    more than 1 million pairs.

    >>> find_pairs(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), 0.7)
    [Pair(first=1, second=2, distance=0.6324555277824402)]
    """
    if not 0 <= distance <= 2:
        raise ConfigError(f"distance is {distance}; allowed: 0 (equal) to 2 (opposite)")
    least = 1 - distance**2 / 2 - _ROUNDING
    found: list[Pair] = []
    for start, rows, others in _alike(vectors, least):
        for some_rows, some_others in zip(
            torch.split(rows, _PAIRS), torch.split(others, _PAIRS), strict=True
        ):
            exact = distances_to(vectors[some_rows], vectors[some_others])
            kept = exact <= distance
            values = (each[kept].tolist() for each in (some_rows, some_others, exact))
            found += [Pair(*each) for each in zip(*values, strict=True)]
            if len(found) > _MOST_PAIRS:
                raise DataError(
                    f"more than {_MOST_PAIRS:,} pairs are at most {distance:g} apart; give a smaller distance"
                )
        if progress is not None:
            progress(min(start + _ROWS, len(vectors)), len(vectors))
    return sorted(found, key=lambda pair: (pair.distance, pair.first, pair.second))


def _alike(vectors: Tensor, least: float) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Block by block the rows of a stretch, and for each a later row with which its product is at least `least`."""
    for start in range(0, len(vectors), _ROWS):
        some = vectors[start : start + _ROWS]
        for other in range(start, len(vectors), _ROWS):
            products = some @ vectors[other : other + _ROWS].T
            if float(products.max()) >= least:
                rows, columns = (products >= least).nonzero(as_tuple=True)
                later = columns + other > rows + start
                yield start, rows[later] + start, columns[later] + other


def pairs_across(pairs: Sequence[Pair], values: Sequence[object]) -> list[Pair]:
    """The pairs whose two rows have different `values`, of which there is one for each row of the index.

    Of the parts of a data set these are images that were learned from and are tested on as well.

    >>> pairs_across([Pair(0, 1, 0.0), Pair(0, 2, 0.1)], ["train", "train", "test"])
    [Pair(first=0, second=2, distance=0.1)]
    """
    return [pair for pair in pairs if values[pair.first] != values[pair.second]]


def group_pairs(pairs: Sequence[Pair]) -> list[list[int]]:
    """Rows that pairs hold together, directly or over others, the largest group first.

    >>> group_pairs([Pair(0, 3, 0.1), Pair(3, 5, 0.1), Pair(1, 2, 0.0)])
    [[0, 3, 5], [1, 2]]
    """
    leader: dict[int, int] = {}

    def find(row: int) -> int:
        leader.setdefault(row, row)
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    for pair in pairs:
        first, second = find(pair.first), find(pair.second)
        leader[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = {}
    for row in sorted(leader):
        groups.setdefault(find(row), []).append(row)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))
