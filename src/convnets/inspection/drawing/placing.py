"""Placing: coordinates for the boxes of a level, those of its groups first, and the courses of its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convnets.inspection.drawing.boxes import Card, Group, Level
from convnets.inspection.drawing.measures import GAP, HEADER, PADDING, card_size, text_width
from convnets.inspection.drawing.ranking import Segment, Stage, rank_level
from convnets.inspection.drawing.straightening import Pull, straighten

__all__ = ["Course", "PlacedBox", "PlacedLevel", "place_level"]

Point = tuple[float, float]


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

    def port(self, ports: tuple[float, ...], number: int) -> float:
        return ports[number] if number < len(ports) else ports[0]


def place_level(level: Level) -> PlacedLevel:
    """Coordinates for everything in `level`."""
    inner = [place_level(box.level) if isinstance(box, Group) else None for box in level.boxes]
    forms = {index: _form(box, inside) for index, (box, inside) in enumerate(zip(level.boxes, inner, strict=True))}
    stage = rank_level(level)
    xs = _across(stage, forms)
    tops, heights = _down(stage, forms)
    boxes, bottoms = [], {}
    for number, row in enumerate(stage.ranks):
        for vertex in row:
            form = forms.get(vertex, _Form())
            top = tops[number] + (heights[number] - form.height) / 2
            bottoms[vertex] = (top, top + form.height, tops[number], tops[number] + heights[number])
            if vertex < stage.boxes:
                placed = PlacedBox(
                    level.boxes[vertex], xs[vertex] - form.width / 2, top, form.width, form.height, inner[vertex]
                )
                boxes.append((vertex, placed))
    courses = _courses(stage, forms, xs, bottoms)
    first_exit, first_entry = stage.boxes, stage.boxes + stage.exits
    return PlacedLevel(
        level,
        tuple(placed for _, placed in sorted(boxes, key=lambda each: each[0])),
        courses,
        width=max((xs[v] + _half(stage, forms, v) for v in xs), default=0.0),
        height=tops[-1] + heights[-1],
        entries=tuple(xs[first_entry + i] for i in range(stage.entries)),
        exits=tuple(xs[first_exit + i] for i in range(stage.exits)),
    )


def _form(box: Card | Group, inside: PlacedLevel | None) -> _Form:
    if inside is None:
        assert isinstance(box, Card)
        return _Form(*card_size(box))
    assert isinstance(box, Group)
    title = text_width(f"{box.name}  {box.kind}  ×{box.times}", 12) + 34
    width = max(inside.width + 2 * PADDING, title)
    shift = (width - inside.width) / 2 - width / 2
    return _Form(
        width,
        inside.height + HEADER + PADDING / 2,
        tuple(x + shift for x in inside.entries) or (0.0,),
        tuple(x + shift for x in inside.exits) or (0.0,),
    )


def _half(stage: Stage, forms: Mapping[int, _Form], vertex: int) -> float:
    if vertex in forms:
        return forms[vertex].width / 2
    return 5.0 if stage.is_bend(vertex) else 2.0


def _across(stage: Stage, forms: Mapping[int, _Form]) -> dict[int, float]:
    """The middle of each vertex."""
    plain = _Form()
    pulls = []
    for segment in stage.segments:
        upper, lower = forms.get(segment.upper, plain), forms.get(segment.lower, plain)
        bends = stage.is_bend(segment.upper) + stage.is_bend(segment.lower)
        offset = upper.port(upper.bottoms, segment.upper_port) - lower.port(lower.tops, segment.lower_port)
        pulls.append(Pull(segment.upper, segment.lower, offset, (1.0, 2.0, 8.0)[bends]))
    halves = {vertex: _half(stage, forms, vertex) for row in stage.ranks for vertex in row}
    return straighten(stage.ranks, halves, pulls, gap=GAP * 0.8)


def _down(stage: Stage, forms: Mapping[int, _Form]) -> tuple[list[float], list[float]]:
    """Upper edge and height of each rank."""
    heights = [max((forms[v].height for v in row if v in forms), default=0.0) for row in stage.ranks]
    tops, y = [], 0.0
    for number, height in enumerate(heights):
        tops.append(y)
        y += height
        if number < len(heights) - 1:
            ports_only = not height or not heights[number + 1]
            y += PADDING if ports_only else GAP + _spread(stage, number)
    return tops, heights


def _spread(stage: Stage, number: int) -> float:
    """More room below a rank from which many links go sideways."""
    row = set(stage.ranks[number])
    return min(40.0, 2.0 * max(0, sum(segment.upper in row for segment in stage.segments) - 6))


def _courses(
    stage: Stage,
    forms: Mapping[int, _Form],
    xs: Mapping[int, float],
    edges: Mapping[int, tuple[float, float, float, float]],
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
        points = [(x, edges[first.upper][1]), (x, edges[first.upper][3])]
        for segment in segments[1:]:
            x = xs[segment.upper]
            points += [(x, edges[segment.upper][2]), (x, edges[segment.upper][3])]
        x = xs[last.lower] + lower.port(lower.tops, last.lower_port)
        points += [(x, edges[last.lower][2]), (x, edges[last.lower][0])]
        courses.append(Course(link, tuple(points)))
    return tuple(courses)

