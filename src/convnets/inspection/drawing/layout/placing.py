"""Placing: coordinates for the boxes of a level, those of its groups first, and the courses of its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convnets.inspection.drawing.layout.boxes import Card, Group, Level, shape_range
from convnets.inspection.drawing.layout.measures import (
    BEND,
    GAP,
    HEADER,
    PADDING,
    SHAPE,
    card_size,
    shape_width,
    text_width,
)
from convnets.inspection.drawing.layout.ranking import Segment, Stage, rank_level
from convnets.inspection.drawing.layout.straightening import Pull, straighten

__all__ = ["Course", "PlacedBox", "PlacedLevel", "place_level"]

Point = tuple[float, float]

_MAIN = 5.0
_WEIGHTS = (4.0, 1.0, 8.0)
"""How straight a link should be from box to box, from box to bend, and from bend to bend: a chain of layers stays in
line, the longest one first, and what skips it goes straight down beside it."""


@dataclass(frozen=True)
class PlacedBox:
    """A box, and where it is within its level."""

    box: Card | Group
    x: float
    """Left edge."""
    y: float
    """Upper edge."""
    width: float
    height: float
    inner: PlacedLevel | None
    """What is in a group."""


@dataclass(frozen=True)
class Course:
    """The way of a link: it goes straight down through each pair of points, and bends between pairs."""

    link: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class PlacedLevel:
    """A level with all its places; (0, 0) is its upper left corner."""

    level: Level
    boxes: tuple[PlacedBox, ...]
    courses: tuple[Course, ...]
    width: float
    height: float
    entries: tuple[float, ...]
    """Where tensors come in, along the upper edge."""
    exits: tuple[float, ...]
    """Where they leave, along the lower edge."""


@dataclass(frozen=True)
class _Form:
    """Size of a vertex, and where its ports are relative to its middle."""

    width: float = 0.0
    height: float = 0.0
    tops: tuple[float, ...] = (0.0,)
    bottoms: tuple[float, ...] = (0.0,)
    right: float = 0.0
    """How far to the right of its middle it needs room, shapes below it included."""

    def port(self, ports: tuple[float, ...], number: int) -> float:
        return ports[number] if number < len(ports) else ports[0]


@dataclass(frozen=True)
class _Edges:
    """Upper and lower edge of a vertex, and where below its rank links may begin to bend."""

    top: float
    bottom: float
    bend: float


def place_level(level: Level) -> PlacedLevel:
    """Coordinates for everything in `level`."""
    inner = [place_level(box.level) if isinstance(box, Group) else None for box in level.boxes]
    forms = {index: _form(level, index, inside) for index, inside in enumerate(inner)}
    stage = rank_level(level)
    xs = _across(stage, forms)
    tops, heights, rooms = _down(stage, forms, xs)
    boxes, edges = [], {}
    for number, row in enumerate(stage.ranks):
        for vertex in row:
            form = forms.get(vertex, _Form())
            top = tops[number]
            edges[vertex] = _Edges(top, top + form.height, tops[number] + heights[number] + rooms[number])
            if vertex < stage.boxes:
                placed = PlacedBox(
                    level.boxes[vertex],
                    xs[vertex] - form.width / 2,
                    top,
                    form.width,
                    form.height,
                    inner[vertex],
                )
                boxes.append((vertex, placed))
    courses = _courses(stage, forms, xs, edges)
    first_exit, first_entry = stage.boxes, stage.boxes + stage.exits
    return PlacedLevel(
        level,
        tuple(placed for _, placed in sorted(boxes, key=lambda each: each[0])),
        courses,
        width=max((xs[v] + _sides(stage, forms, v)[1] for v in xs), default=0.0),
        height=tops[-1] + heights[-1],
        entries=tuple(xs[first_entry + i] for i in range(stage.entries)),
        exits=tuple(xs[first_exit + i] for i in range(stage.exits)),
    )


def _form(level: Level, index: int, inside: PlacedLevel | None) -> _Form:
    box = level.boxes[index]
    if isinstance(box, Card):
        width, height = card_size(box)
        tops: tuple[float, ...] = (0.0,)
        bottoms: tuple[float, ...] = (0.0,)
    else:
        assert inside is not None
        title = text_width(box.name, bold=True) + text_width(f" {box.kind}", 11) + 64
        width = max(inside.width + 2 * PADDING, title)
        height = inside.height + HEADER + PADDING / 2
        shift = -inside.width / 2
        tops = tuple(x + shift for x in inside.entries) or (0.0,)
        bottoms = tuple(x + shift for x in inside.exits) or (0.0,)
    room = [
        bottoms[min(link.source_port, len(bottoms) - 1)] + shape_width(shape_range(link.shapes))
        for link in level.links
        if link.source == index and link.target < len(level.boxes)
    ]
    return _Form(width, height, tops, bottoms, max([width / 2, *room]))


def _sides(stage: Stage, forms: Mapping[int, _Form], vertex: int) -> tuple[float, float]:
    """Room that a vertex needs to the left and to the right of its middle."""
    if vertex in forms:
        return forms[vertex].width / 2, forms[vertex].right
    return (6.0, 6.0) if stage.is_bend(vertex) else (2.0, 2.0)


def _across(stage: Stage, forms: Mapping[int, _Form]) -> dict[int, float]:
    """The middle of each vertex."""
    plain = _Form()
    pulls = []
    for segment in stage.segments:
        upper, lower = forms.get(segment.upper, plain), forms.get(segment.lower, plain)
        bends = stage.is_bend(segment.upper) + stage.is_bend(segment.lower)
        offset = upper.port(upper.bottoms, segment.upper_port) - lower.port(lower.tops, segment.lower_port)
        leaves = (
            bends == 1 and segment.upper < stage.boxes
        )  # a bend stands below the box rather than above the next
        weight = _MAIN if segment.main else _WEIGHTS[bends] + 0.5 * leaves
        pulls.append(Pull(segment.upper, segment.lower, offset, weight))
    sides = {vertex: _sides(stage, forms, vertex) for row in stage.ranks for vertex in row}
    return straighten(stage.ranks, sides, pulls, gap=GAP)


def _down(
    stage: Stage, forms: Mapping[int, _Form], xs: Mapping[int, float]
) -> tuple[list[float], list[float], list[float]]:
    """Upper edge and height of each rank, and the room for shapes below it; straight links need little more."""
    rank_of = {vertex: number for number, row in enumerate(stage.ranks) for vertex in row}
    plain = _Form()
    sideways = [0] * len(stage.ranks)
    for segment in stage.segments:
        upper, lower = forms.get(segment.upper, plain), forms.get(segment.lower, plain)
        start = xs[segment.upper] + upper.port(upper.bottoms, segment.upper_port)
        end = xs[segment.lower] + lower.port(lower.tops, segment.lower_port)
        sideways[rank_of[segment.upper]] += abs(start - end) > 0.5
    heights = [max((forms[v].height for v in row if v in forms), default=0.0) for row in stage.ranks]
    tops, rooms, y = [], [0.0] * len(heights), 0.0
    for number, height in enumerate(heights):
        tops.append(y)
        y += height
        if number < len(heights) - 1:
            leaves = height and heights[number + 1]  # not an entry, not only exits below
            bend = BEND + min(24.0, 2.0 * sideways[number]) if sideways[number] else 8.0
            rooms[number] = SHAPE if leaves else 4.0
            y += rooms[number] + bend
    return tops, heights, rooms


def _courses(
    stage: Stage,
    forms: Mapping[int, _Form],
    xs: Mapping[int, float],
    edges: Mapping[int, _Edges],
) -> tuple[Course, ...]:
    plain = _Form()
    by_link: dict[int, list[Segment]] = {}
    for segment in stage.segments:
        by_link.setdefault(segment.link, []).append(segment)
    courses = []
    for link, segments in by_link.items():
        first, last = segments[0], segments[-1]
        upper, lower = forms.get(first.upper, plain), forms.get(last.lower, plain)
        x = xs[first.upper] + upper.port(upper.bottoms, first.upper_port)
        points = [(x, edges[first.upper].bottom), (x, edges[first.upper].bend)]
        for segment in segments[1:]:
            x = xs[segment.upper]
            points += [(x, edges[segment.upper].top), (x, edges[segment.upper].bend)]
        x = xs[last.lower] + lower.port(lower.tops, last.lower_port)
        points.append((x, edges[last.lower].top))
        courses.append(Course(link, tuple(points)))
    return tuple(courses)
