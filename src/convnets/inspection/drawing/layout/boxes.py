"""Boxes: what a drawing shows of a graph. Cards of rows, groups that hold boxes, and the links between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convnets.inspection.graph.network_graph import Shape

__all__ = ["Box", "Card", "Group", "Level", "Link", "Row", "merged", "renamed", "shape_range", "signature"]


@dataclass(frozen=True)
class Row:
    """One operation, or one module that is not shown in detail."""

    kind: str
    """Conv2d, relu …"""
    detail: str
    """What else tells it apart, such as `3×3, stride 2`."""
    name: str
    """Within its group, such as conv1."""
    family: str
    path: str
    """The operation's full name; of a folded row, that of the first."""
    shapes: tuple[Shape, ...]
    """Of its output, without the batch; of a folded row, one for each repetition."""
    parameters: int
    """Of all repetitions together."""


@dataclass(frozen=True)
class Card:
    """Rows that follow each other directly, drawn as one box."""

    rows: tuple[Row, ...]
    times: int = 1
    """Repetitions, one after the other."""


@dataclass(frozen=True)
class Link:
    """A tensor that goes from a box to a box of the same level.

    Ports of the level itself are counted like boxes: sources below 0 are its entries (−1 the first), targets from
    `len(boxes)` on are its exits.
    """

    source: int
    source_port: int
    target: int
    target_port: int
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Level:
    """Boxes side by side, and how tensors flow between them."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    entries: int
    exits: int


@dataclass(frozen=True)
class Group:
    """A module with what is in it."""

    name: str
    """Within the group around it; of a fold, the first and the last."""
    kind: str
    path: str
    level: Level
    times: int = 1
    """Repetitions, one after the other."""


Box = Card | Group


def shape_range(shapes: Sequence[Shape]) -> str:
    """Shapes as one text; where they differ, the least and the greatest.

    >>> shape_range([(96, 56, 56), (128, 56, 56), (256, 56, 56)])
    '96…256×56×56'
    """
    if len({len(shape) for shape in shapes}) > 1:
        return "shapes differ"
    sides = [sorted(set(side)) for side in zip(*shapes, strict=True)]
    return "×".join(str(side[0]) if len(side) == 1 else f"{side[0]}…{side[-1]}" for side in sides) or "1"


def renamed(box: Box, above: str) -> Box:
    """The box with the name of a group around it, which is not drawn."""
    if isinstance(box, Group):
        return replace(box, name=f"{above}.{box.name}")
    rows = tuple(replace(row, name=f"{above}.{row.name}" if row.name else "") for row in box.rows)
    return replace(box, rows=rows)


def signature(box: Box) -> object:
    """Equal for boxes that differ in nothing but names and numbers of channels."""
    if isinstance(box, Card):
        rows = tuple(
            (row.kind, row.detail, tuple(len(shape) > 1 and shape[1:] for shape in row.shapes[:1]))
            for row in box.rows
        )
        return (rows, box.times)
    inner = tuple(signature(each) for each in box.level.boxes)
    links = tuple(replace(link, shapes=()) for link in box.level.links)
    return (box.kind, box.times, inner, links)


def merged(boxes: Sequence[Box]) -> Box:
    """Boxes of one signature as one that stands for them all."""
    first = boxes[0]
    times = len(boxes) * first.times
    if isinstance(first, Card):
        return replace(_merged_card([each for each in boxes if isinstance(each, Card)]), times=times)
    groups = [each for each in boxes if isinstance(each, Group)]
    name = f"{first.name} … {groups[-1].name}"
    return replace(first, name=name, level=_merged_level([each.level for each in groups]), times=times)


def _merged_card(cards: Sequence[Card]) -> Card:
    rows = tuple(
        replace(
            same[0],
            shapes=tuple(shape for row in same for shape in row.shapes),
            parameters=sum(row.parameters for row in same),
        )
        for same in zip(*(card.rows for card in cards), strict=True)
    )
    return replace(cards[0], rows=rows)


def _merged_level(levels: Sequence[Level]) -> Level:
    boxes: list[Box] = []
    for same in zip(*(level.boxes for level in levels), strict=True):
        first = same[0]
        if isinstance(first, Card):
            boxes.append(_merged_card([each for each in same if isinstance(each, Card)]))
        else:
            inner = _merged_level([each.level for each in same if isinstance(each, Group)])
            boxes.append(replace(first, level=inner))
    links = tuple(
        replace(same[0], shapes=tuple(shape for link in same for shape in link.shapes))
        for same in zip(*(level.links for level in levels), strict=True)
    )
    return replace(levels[0], boxes=tuple(boxes), links=links)
