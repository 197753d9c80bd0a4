"""Straightening: where vertices stand from left to right, so that links are as short and as straight as can be.

Least Σ weight·|sideways way of a link|, with vertices of a rank kept apart: the linear program of Gansner,
Koutsofios, North & Vo 1993, "A technique for drawing directed graphs", section 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

__all__ = ["Pull", "straighten"]

_BALANCE = 0.1  # what a vertex gains in the middle of its neighbors, against 1 for a straight link


@dataclass(frozen=True)
class Pull:
    """A link that wants x[upper] + offset = x[lower]."""

    upper: int
    lower: int
    offset: float
    weight: float


def straighten(
    ranks: Sequence[Sequence[int]],
    sides: Mapping[int, tuple[float, float]],
    pulls: Sequence[Pull],
    gap: float,
) -> dict[int, float]:
    """The middle of each vertex; nothing lies left of 0.

    `sides` are the room that each needs to the left and right of its middle; vertices of a rank, given from left to
    right, stay `gap` apart.

    >>> sides = dict.fromkeys(range(3), (5, 5))
    >>> straighten([[0], [1, 2]], sides, [Pull(0, 2, 0.0, 1.0), Pull(0, 1, 0.0, 2.0)], gap=10)
    {0: 5.0, 1: 5.0, 2: 25.0}
    """
    vertices = [vertex for rank in ranks for vertex in rank]
    if not vertices:
        return {}
    program = _Programme(vertices)
    for vertex in vertices:
        program.bound(vertex, sides[vertex][0])
    for rank in ranks:
        for left, right in pairwise(rank):
            program.at_least({right: 1.0, left: -1.0}, sides[left][1] + sides[right][0] + gap)
    for pull in pulls:
        program.near({pull.lower: 1.0, pull.upper: -1.0}, pull.offset, pull.weight)
    for vertex, side in _fans(pulls):
        share = 1 / len(side)
        terms = {vertex: 1.0} | {other: -share for other, _ in side}
        program.near(terms, sum(offset for _, offset in side) * share, _BALANCE)
    return program.solve()


def _fans(pulls: Sequence[Pull]) -> list[tuple[int, list[tuple[int, float]]]]:
    """Vertices with several neighbors above or below, and where these want them."""
    below: dict[int, list[tuple[int, float]]] = {}
    above: dict[int, list[tuple[int, float]]] = {}
    for pull in pulls:
        below.setdefault(pull.upper, []).append((pull.lower, -pull.offset))
        above.setdefault(pull.lower, []).append((pull.upper, pull.offset))
    return [(vertex, side) for sides in (below, above) for vertex, side in sides.items() if len(side) > 1]


class _Programme:
    """Least cost · x under rows · x ≥ bounds; variables after the vertices are distances."""

    def __init__(self, vertices: Sequence[int]) -> None:
        self._place = {vertex: place for place, vertex in enumerate(vertices)}
        self._lows = [0.0] * len(vertices)
        self._costs = [1e-4] * len(vertices)  # as far left as nothing else decides
        self._rows: list[dict[int, float]] = []
        self._bounds: list[float] = []

    def bound(self, vertex: int, low: float) -> None:
        self._lows[self._place[vertex]] = low

    def at_least(self, terms: Mapping[int, float], bound: float) -> None:
        self._rows.append({self._place[vertex]: factor for vertex, factor in terms.items()})
        self._bounds.append(bound)

    def near(self, terms: Mapping[int, float], wanted: float, weight: float) -> None:
        """Pay `weight` for each unit that the sum of `terms` is away from `wanted`."""
        distance = len(self._costs)
        self._costs.append(weight)
        self._lows.append(0.0)
        for sign in (1.0, -1.0):
            row = {self._place[vertex]: sign * factor for vertex, factor in terms.items()}
            self._rows.append(row | {distance: 1.0})
            self._bounds.append(sign * wanted)

    def solve(self) -> dict[int, float]:
        entries = [(i, j, -factor) for i, row in enumerate(self._rows) for j, factor in row.items()]
        if entries:
            rows, columns, factors = zip(*entries, strict=True)
            shape = (len(self._rows), len(self._costs))
            matrix = coo_matrix((factors, (rows, columns)), shape=shape).tocsr()
            bounds = [(low, None) for low in self._lows]
            found = linprog(self._costs, matrix, -np.array(self._bounds), bounds=bounds, method="highs").x
        else:
            found = self._lows
        return {vertex: round(float(found[place]), 2) for vertex, place in self._place.items()}
