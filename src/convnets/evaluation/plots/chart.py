"""Charts as SVG text, written directly: a run's report is there in milliseconds, without loading a drawing library.

Text stays text, so that a browser draws any script with its own fonts. Lengths are points, 72 to the inch.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from convnets.core.display.text import columns, plain_text
from convnets.evaluation.plots.axis import Axis
from convnets.evaluation.plots.colors import BLUE, GRID, INK

__all__ = ["FONTS", "Panel", "chart_svg", "shortened"]

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"

_SMALL, _TITLE = 9.0, 11.0  # sizes of letters
_WIDE = 0.62  # width of a letter in its size, a little more than most fonts take
_GAP, _LINE = 5.0, 14.0
_DOTTED = 30  # points of a line, at most, that have a dot each

Point = tuple[float, float]
Scale = Callable[[float], float]
Mark = Callable[[Scale, Scale], str]


def shortened(name: str, longest: int) -> str:
    """A user's name as text that can be shown, cut to `longest` letters.

    >>> shortened("a long name", 6)
    'a lon…'
    """
    cleaned = plain_text(name)
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1] + "…"


@dataclass
class Panel:
    """One coordinate system and what is drawn in it. Every method takes data's units, and adds to the drawing.

    >>> panel = Panel("Loss", x=Axis("epoch", whole=True))
    >>> panel.line([(1, 0.9), (2, 0.4)], name="train")
    >>> chart_svg("Loss by epoch", [[panel]])[:5]
    '<svg '
    """

    title: str = ""
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    share: float = 1.0
    """Of the height, where panels stand above each other."""
    grid: bool = True
    square: bool = False
    """The height of the area follows from its width."""
    beside: bool = False
    """Names of lines stand at the right, below each other, instead of above."""
    marks: list[Mark] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    """Sample and name of what the legend explains."""
    _xs: list[float] = field(default_factory=list)
    _ys: list[float] = field(default_factory=list)

    def line(
        self, points: Sequence[Point], color: str = BLUE, name: str = "", dash: str = "", width: float = 2.0,
        markers: bool = True,
    ) -> None:  # fmt: skip
        """A line through `points`, with a dot at each of up to 30; `dash` is SVG's stroke-dasharray."""
        self._reach(points)
        style = f'stroke="{color}" stroke-width="{width:g}"' + (f' stroke-dasharray="{dash}"' if dash else "")

        def mark(x: Scale, y: Scale) -> str:
            line = " ".join(f"{x(a):.2f},{y(b):.2f}" for a, b in points)
            return f'<polyline points="{line}" fill="none" {style}/>'

        self.marks.append(mark)
        if markers and len(points) <= _DOTTED:
            self.dots(points, color, radius=1.75)
        if name:
            self.names.append((f'<path d="M0 0h16" {style}/>', name))

    def dots(
        self, points: Sequence[Point], color: str = BLUE, radius: float = 2.0, opacity: float = 1.0,
        ring: bool = False, name: str = "",
    ) -> None:  # fmt: skip
        """A dot at each of `points`, or a ring."""
        self._reach(points)
        paint = f'fill="none" stroke="{color}" stroke-width="1.6"' if ring else f'fill="{color}"'
        paint += f' opacity="{opacity:g}"' if opacity < 1 else ""
        self.marks.append(
            lambda x, y: (
                f"<g {paint}>"
                + "".join(f'<circle cx="{x(a):.2f}" cy="{y(b):.2f}" r="{radius:g}"/>' for a, b in points)
                + "</g>"
            )
        )
        if name:
            self.names.append((f'<circle cx="8" r="{radius:g}" {paint}/>', name))

    def bars(self, bars: Sequence[tuple[float, float, float]], color: str = BLUE, opacity: float = 1.0,
             outline: str = "") -> None:  # fmt: skip
        """Upright bars from zero: left edge, width and height of each."""
        self._reach(
            [point for left, width, height in bars for point in ((left, 0.0), (left + width, height))]
        )
        paint = f'fill="{color}"' + (f' opacity="{opacity:g}"' if opacity < 1 else "")
        paint += f' stroke="{outline}" stroke-width="0.6"' if outline else ""

        def bar(x: Scale, y: Scale, left: float, width: float, height: float) -> str:
            top, bottom = sorted((y(height), y(0.0)))
            return (
                f'<rect x="{x(left):.2f}" y="{top:.2f}" width="{x(left + width) - x(left):.2f}" '
                f'height="{bottom - top:.2f}"/>'
            )

        self.marks.append(lambda x, y: f"<g {paint}>{''.join(bar(x, y, *each) for each in bars)}</g>")

    def cells(self, picture: bytes, box: tuple[float, float, float, float]) -> None:
        """A picture, as PNG, of which each pixel is a cell; `box` is its left, right, top and bottom edge."""
        left, right, top, bottom = box
        self._reach([(left, top), (right, bottom)])
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        self.marks.append(
            lambda x, y: (
                f'<image x="{x(left):.2f}" y="{y(top):.2f}" width="{x(right) - x(left):.2f}" '
                f'height="{y(bottom) - y(top):.2f}" preserveAspectRatio="none" '
                f'style="image-rendering: pixelated" href="{source}"/>'
            )
        )

    def words(self, at: Point, words: str, color: str = INK, size: float = 8.0) -> None:
        """Words whose middle is at a point."""
        self.marks.append(
            lambda x, y: _text(words, x(at[0]), y(at[1]) + 0.35 * size, "middle", size, color=color)
        )

    def _reach(self, points: Sequence[Point]) -> None:
        self._xs += [x for x, _ in points]
        self._ys += [y for _, y in points]

    @property
    def limits(self) -> tuple[Point, Point]:
        """Lowest and highest place of both axes."""
        return self.x.limits(self._xs), self.y.limits(self._ys)


def chart_svg(
    label: str, panels: Sequence[Sequence[Panel]], width: float = 310.0, height: float = 223.0
) -> str:
    """Columns of panels, each panel below the one before, as a transparent `<svg>` that scales to its place.

    `label` is for screen readers. Of a column with a square panel the height follows from the width.
    """
    parts, low, each = [], 0.0, width / len(panels)
    for place, column in enumerate(panels):
        drawn, bottom = _column(column, place * each, each, height)
        parts.append(drawn)
        low = max(low, bottom)
    style = f"max-width: {width / 72:.2f}in; stroke-linejoin: round; font-family: {FONTS}"
    return (
        f'<svg role="img" aria-label="{escape(plain_text(label))}" style="{style}" '
        f'viewBox="0 0 {width:g} {low:g}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _column(panels: Sequence[Panel], left: float, width: float, height: float) -> tuple[str, float]:
    """The panels of a column, their areas flush on both sides; and where the column ends."""
    inner = left + max(_left_of(panel) for panel in panels)
    right = left + width - max(_right_of(panel) for panel in panels)
    spent = sum(_above(panel) + _below(panel) for panel in panels)
    area = right - inner if panels[0].square else (height - spent) / sum(panel.share for panel in panels)
    parts, top = [], 0.0
    for panel in panels:
        top += _above(panel)
        bottom = top + area * panel.share
        parts.append(_panel(panel, inner, right, top, bottom, left))
        top = bottom + _below(panel)
    return "".join(parts), top


def _left_of(panel: Panel) -> float:
    words = [words for _, words in panel.y.marked(panel.limits[1])]
    return _longest(words) + _GAP + (_LINE if panel.y.label else 0.0) + 4


def _right_of(panel: Panel) -> float:
    if panel.beside:
        return _longest([name for _, name in panel.names]) + 16 + 3 * _GAP
    ticks = panel.x.marked(panel.limits[0])
    return 4.0 if panel.x.upright or not ticks else max(4.0, _longest([ticks[-1][1]]) / 2 + 2)


def _above(panel: Panel) -> float:
    return 22.0 if panel.title or (panel.names and not panel.beside) else 7.0


def _below(panel: Panel) -> float:
    ticks = panel.x.marked(panel.limits[0])
    words = _longest([words for _, words in ticks]) if panel.x.upright else _SMALL
    return (words + _GAP + 3 if ticks else 2.0) + (_LINE if panel.x.label else 0.0)


def _longest(words: Sequence[str]) -> float:
    return max((columns(word) for word in words), default=0) * _SMALL * _WIDE


def _panel(panel: Panel, left: float, right: float, top: float, bottom: float, edge: float) -> str:
    (x0, x1), (y0, y1) = panel.limits

    def x(value: float) -> float:
        return left + (value - x0) / (x1 - x0) * (right - left)

    def y(value: float) -> float:
        return bottom - (value - y0) / (y1 - y0) * (bottom - top)

    parts = [_axes(panel, x, y, (left, right, top, bottom)), *(mark(x, y) for mark in panel.marks)]
    if panel.title:
        parts.append(_text(panel.title, left, top - 9, "start", _TITLE, bold=True))
    if panel.x.label:
        parts.append(_text(panel.x.label, (left + right) / 2, bottom + _below(panel) - 3, "middle"))
    if panel.y.label:
        parts.append(_text(panel.y.label, edge + _SMALL, (top + bottom) / 2, "middle", turn=-90))
    return "".join(parts) + _legend(panel, right, top)


def _axes(panel: Panel, x: Scale, y: Scale, area: tuple[float, float, float, float]) -> str:
    left, right, top, bottom = area
    limits = panel.limits
    across = [(x(tick), words) for tick, words in panel.x.marked(limits[0])]
    upward = [(y(tick), words) for tick, words in panel.y.marked(limits[1])]
    lines = [f"M{place:.2f} {bottom:.2f}V{top:.2f}" for place, _ in across]
    lines += [f"M{left:.2f} {place:.2f}H{right:.2f}" for place, _ in upward]
    grid = f'<path d="{"".join(lines)}" stroke="{GRID}" stroke-width="0.8" fill="none"/>'
    if panel.x.upright:
        below = [_text(words, place + 3, bottom + _GAP, "end", turn=-90) for place, words in across]
    else:
        below = [_text(words, place, bottom + _GAP + _SMALL, "middle") for place, words in across]
    beside = [_text(words, left - _GAP, place + 3, "end") for place, words in upward]
    return "".join([grid if panel.grid and lines else "", *below, *beside])


def _legend(panel: Panel, right: float, top: float) -> str:
    """Samples and names: above the area at its right end, or below each other at its right."""
    parts = []
    for place, (sample, name) in enumerate(panel.names if panel.beside else panel.names[::-1]):
        if panel.beside:
            start, middle = right + 2 * _GAP, top + _SMALL + place * _LINE
        else:
            right -= 16 + _GAP + _longest([name]) + (2 * _GAP if place else 0.0)
            start, middle = right, top - 12
        parts.append(f'<g transform="translate({start:.2f} {middle:.2f})">{sample}</g>')
        parts.append(_text(name, start + 16 + _GAP, middle + 3, "start"))
    return "".join(parts)


def _text(
    words: str, x: float, y: float, anchor: str, size: float = _SMALL, turn: int = 0, bold: bool = False,
    color: str = INK,
) -> str:  # fmt: skip
    place = f'x="{x:.2f}" y="{y:.2f}"'
    if turn:
        place = f'transform="translate({x:.2f} {y:.2f}) rotate({turn})"'
    weight = ' font-weight="bold"' if bold else ""
    start = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text {place} font-size="{size:g}" fill="{color}"{start}{weight}>{escape(plain_text(words))}</text>'
    )
