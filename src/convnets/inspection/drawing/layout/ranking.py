"""Ranking: which boxes of a level stand above which, and in what order from left to right.

The layered drawing of Sugiyama, Tagawa & Toda 1981, "Methods for visual understanding of hierarchical system
structures": ranks by the longest path, links over several ranks cut by bends, fewest crossings by medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convnets.inspection.drawing.layout.boxes import Level

__all__ = ["Segment", "Stage", "rank_level"]

_SWEEPS = 12


@dataclass(frozen=True)
class Stage:
    """What stands where. Vertices are boxes, then exits, then entries, then bends of long links."""

    ranks: tuple[tuple[int, ...], ...]
    """Vertices of each rank from left to right; ranks from top to bottom."""
    segments: tuple[Segment, ...]
    boxes: int
    exits: int
    entries: int

    def is_bend(self, vertex: int) -> bool:
        """Whether a vertex is a place where a link passes a rank."""
        return vertex >= self.boxes + self.exits + self.entries


@dataclass(frozen=True)
class Segment:
    """A link, or the part of it between two ranks that follow each other."""

    upper: int
    upper_port: int
    lower: int
    lower_port: int
    link: int
    """Index of the link in its level."""
    main: bool
    """Whether it is part of a longest way through the level."""


def rank_level(level: Level) -> Stage:
    """Give every box a rank and a place in it."""
    count = len(level.boxes)
    first_entry = count + level.exits

    def vertex(end: int) -> int:
        return first_entry - 1 - end if end < 0 else end

    ends = [(vertex(link.source), vertex(link.target)) for link in level.links]
    rank = _longest_paths(first_entry + level.entries, ends)
    count_all = first_entry + level.entries
    height = _longest_paths(count_all, [(lower, upper) for upper, lower in ends])
    longest, start = max(rank, default=0), list(rank)
    if level.exits:
        last = max(rank)
        for place in range(count, first_entry):
            rank[place] = last
    segments: list[Segment] = []
    for index, (link, (upper, lower)) in enumerate(zip(level.links, ends, strict=True)):
        above, port = upper, link.source_port
        main = start[upper] + 1 + height[lower] == longest
        for between in range(rank[upper] + 1, rank[lower]):
            rank.append(between)
            segments.append(Segment(above, port, len(rank) - 1, 0, index, False))
            above, port = len(rank) - 1, 0
        segments.append(Segment(above, port, lower, link.target_port, index, main))
    ranks = _ordered(rank, segments)
    return Stage(ranks, tuple(segments), count, level.exits, level.entries)


def _longest_paths(count: int, ends: Sequence[tuple[int, int]]) -> list[int]:
    rank = [0] * count
    lower_of: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for upper, lower in ends:
        lower_of[upper].append(lower)
        waiting[lower] += 1
    free = [vertex for vertex in range(count) if not waiting[vertex]]
    while free:
        upper = free.pop()
        for lower in lower_of[upper]:
            rank[lower] = max(rank[lower], rank[upper] + 1)
            waiting[lower] -= 1
            if not waiting[lower]:
                free.append(lower)
    return rank


def _ordered(rank: Sequence[int], segments: Sequence[Segment]) -> tuple[tuple[int, ...], ...]:
    rows: list[list[int]] = [[] for _ in range(max(rank, default=0) + 1)]
    for vertex, place in enumerate(rank):
        rows[place].append(vertex)
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for segment in segments:
        above.setdefault(segment.lower, []).append(segment.upper)
        below.setdefault(segment.upper, []).append(segment.lower)
    best, fewest = [list(row) for row in rows], _crossings(rows, segments)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for row in rows[1:] if down else rows[-2::-1]:
            _sort_by_neighbors(row, rows, above if down else below)
        crossings = _crossings(rows, segments)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return tuple(tuple(row) for row in best)


def _sort_by_neighbors(row: list[int], rows: Sequence[list[int]], neighbors: dict[int, list[int]]) -> None:
    place = {vertex: index for each in rows for index, vertex in enumerate(each)}

    def center(vertex: int) -> float:
        near = neighbors.get(vertex)
        return sum(place[each] for each in near) / len(near) if near else place[vertex]

    row.sort(key=center)  # a stable sort: what has no reason to move stays


def _crossings(rows: Sequence[Sequence[int]], segments: Sequence[Segment]) -> int:
    place = {vertex: (number, index) for number, row in enumerate(rows) for index, vertex in enumerate(row)}
    by_rank: dict[int, list[tuple[int, int]]] = {}
    for segment in segments:
        number, index = place[segment.upper]
        by_rank.setdefault(number, []).append((index, place[segment.lower][1]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for ends in by_rank.values()
        for i, a in enumerate(ends)
        for b in ends[:i]
    )
