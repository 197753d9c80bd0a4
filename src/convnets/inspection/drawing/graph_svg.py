"""graph_svg: placed boxes and links as an SVG picture with a title, a legend, and a word on each box for the mouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from convnets.inspection.drawing.layout.boxes import Box, Card, Group, Level, Row, shape_range
from convnets.inspection.drawing.layout.measures import HEADER, ROW, row_text, text_width
from convnets.inspection.drawing.layout.placing import Course, PlacedBox, PlacedLevel, place_level
from convnets.inspection.drawing.svg import (
    COLORS,
    FRAME,
    LINE,
    PAPER,
    SOFT,
    document,
    legend,
    path,
    plain,
    rectangle,
    text,
    two_texts,
)

__all__ = ["graph_svg"]

_MARGIN = 24.0
_ARROW = 5.0
_QUIET = ("activation", "dropout", "normalization")
_FILLS = ("#f7f9fb", "#eef2f6")


def graph_svg(level: Level, title: str, notes: Sequence[str] = ()) -> str:
    """The boxes of `level`, from the input at the top to the output at the bottom."""
    placed = place_level(level)
    families = sorted({row.family for row in _rows(level)} - {"input", "block"}, key=list(COLORS).index)
    width = max(placed.width, 250.0, text_width(title, 16, bold=True))
    signs, signs_height = legend(families, _MARGIN, _MARGIN + 28, width)
    top = _MARGIN + 40 + signs_height
    left = _MARGIN + (width - placed.width) / 2
    elements = [text(_MARGIN, _MARGIN + 12, title, size=16, bold=True), *signs]
    elements += _level(placed, left, top, 0)
    bottom = top + placed.height + _MARGIN
    for note in notes:
        elements.append(text(_MARGIN, bottom, note, size=11, color=SOFT))
        bottom += 18
    steps = ", ".join(_said(box) for box in level.boxes)
    return document(
        width + 2 * _MARGIN, bottom, elements, title=title, description=f"From top to bottom: {steps}."
    )


def _rows(level: Level) -> Iterator[Row]:
    for box in level.boxes:
        if isinstance(box, Card):
            yield from box.rows
        else:
            yield from _rows(box.level)


def _said(box: Box) -> str:
    """A box in words."""
    times = f" {box.times} times" if box.times > 1 else ""
    if isinstance(box, Group):
        return f"{box.name} ({box.kind}){times}"
    return " and ".join(row_text(row) for row in box.rows) + times


def _level(placed: PlacedLevel, x: float, y: float, depth: int) -> list[str]:
    elements = [_line(course, placed, x, y) for course in placed.courses]
    for each in placed.boxes:
        if each.inner is None:
            elements += _card(each, x + each.x, y + each.y)
        else:
            elements += _group(each, x + each.x, y + each.y, depth)
    return elements + _shapes(placed, x, y)


def _line(course: Course, placed: PlacedLevel, x: float, y: float) -> str:
    points = [(x + px, y + py) for px, py in course.points]
    target = placed.level.links[course.link].target
    ends = target < len(placed.boxes) and placed.boxes[target].inner is None  # otherwise it goes on inside
    (sx, sy), (tx, ty) = points[0], points[-1]
    words = [f"M{sx:.1f} {sy:.1f}"]
    for (ax, ay), (bx, by) in pairwise(points):
        if abs(ax - bx) < 0.05:
            words.append(f"V{by:.1f}" if by > ay else "")
        else:
            middle = (ay + by) / 2
            words.append(f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}")
    line = path(" ".join(word for word in words if word))
    if not ends:
        return line
    head = f"M{tx - 3.5:.1f} {ty - _ARROW - 1:.1f}L{tx:.1f} {ty:.1f}L{tx + 3.5:.1f} {ty - _ARROW - 1:.1f}Z"
    return line + path(head, fill=LINE, width=0.6)


def _shapes(placed: PlacedLevel, x: float, y: float) -> list[str]:
    """The shape of each tensor, once, below the box that it comes from."""
    told = set()
    elements = []
    for course in placed.courses:
        link = placed.level.links[course.link]
        if (
            link.source < 0
            or link.target >= len(placed.level.boxes)
            or (link.source, link.source_port) in told
        ):
            continue
        told.add((link.source, link.source_port))
        px, py = course.points[0]
        py += 3 if placed.level.boxes[link.source].times > 1 else 0  # below the sheets of a fold
        elements.append(
            text(x + px + 6, y + py + 14, shape_range(link.shapes), size=11, color=SOFT, halo=True)
        )
    return elements


def _card(each: PlacedBox, x: float, y: float) -> list[str]:
    assert isinstance(each.box, Card)
    rows = each.box.rows
    elements = _stack(x, y, each.width, each.height, each.box.times, 5)
    badge = 30.0 if each.box.times > 1 else 0.0
    for number, row in enumerate(rows):
        top = y + number * ROW
        elements.append(f"<g><title>{plain(_tip(row))}</title>")
        elements.append(
            rectangle(x, top, each.width, ROW, fill=COLORS[row.family], radius=5 if len(rows) == 1 else 0)
        )
        if len(rows) == 1 and not row.detail and not row.name and not badge:
            middle = x + each.width / 2
            elements.append(text(middle, top + 15.5, row.kind, bold=True, anchor="middle"))
        else:
            elements.append(two_texts(x + 8, top + 15.5, row.kind, row.detail, bold=row.family not in _QUIET))
        if row.name:
            right = x + each.width - 8 - badge
            elements.append(text(right, top + 15, row.name, size=10, color=SOFT, anchor="end"))
        elements.append("</g>")
    elements.append(rectangle(x, y, each.width, each.height, fill="none", stroke="#8a97a5", radius=5))
    if badge:
        elements += _badge(x + each.width - badge, y + each.height / 2 - 8, each.box.times)
    return elements


def _tip(row: Row) -> str:
    """What the mouse says on a row."""
    weights = f", {row.parameters:,} parameters" if row.parameters else ""
    return f"{row.path}: {row_text(row)} → {shape_range(row.shapes)}{weights}"


def _group(each: PlacedBox, x: float, y: float, depth: int) -> list[str]:
    assert isinstance(each.box, Group)
    assert each.inner is not None
    group = each.box
    fill = _FILLS[depth % 2]
    elements = _stack(x, y, each.width, each.height, group.times, 8)
    elements.append(f"<g><title>{plain(f'{group.path}: {group.kind}')}</title>")
    elements.append(rectangle(x, y, each.width, each.height, fill=fill, stroke=FRAME, radius=8))
    elements.append("</g>")
    left = x + (each.width - each.inner.width) / 2
    elements += _level(each.inner, left, y + HEADER, depth + 1)
    if group.times > 1:
        elements += _badge(x + each.width - 36, y + 4, group.times)
    kind = "" if group.kind == "Sequential" else group.kind
    bottom = y + HEADER + each.inner.height
    for exit_ in each.inner.exits:  # the way from the last box to the frame
        elements.append(path(f"M{left + exit_:.1f} {bottom:.1f}V{y + each.height:.1f}"))
    for entry in each.inner.entries:
        elements.append(path(f"M{left + entry:.1f} {y:.1f}V{y + HEADER:.1f}"))
    elements.append(two_texts(x + 10, y + 16, group.name, kind, bold=True, size=11, halo=fill))
    return elements


def _stack(x: float, y: float, width: float, height: float, times: int, radius: float) -> list[str]:
    """Sheets behind a box that stands for several."""
    return [
        rectangle(x + shift, y + shift, width, height, fill=PAPER, stroke=FRAME, radius=radius)
        for shift in ((6.0, 3.0) if times > 1 else ())
    ]


def _badge(x: float, y: float, times: int) -> list[str]:
    label = f"×{times}"
    width = text_width(label, 11) + 10
    return [
        rectangle(x, y, width, 16, fill="#34495e", radius=8),
        text(x + width / 2, y + 12, label, size=11, color="#ffffff", anchor="middle", bold=True),
    ]
