"""Chart: panels with axes, marks and legends as SVG text, for the plots of every report.

Written out here because matplotlib takes a second to load and another to draw what a report needs: as long as an epoch
of a small network. Lengths are in points, 72 to the inch; y grows downwards, as in SVG. Text stays text, so that a
browser draws any script with its own fonts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from convnets.core.text import columns, plain_text

__all__ = [
    "BLUE",
    "FONTS",
    "GRID",
    "INK",
    "LINE_COLOURS",
    "ORANGE",
    "Panel",
    "as_number",
    "as_percent",
    "document",
    "dot",
    "label",
    "legend",
    "short_name",
    "text_width",
    "ticks",
    "with_margin",
]

# Okabe & Ito 2008, "Color Universal Design": a pair that every kind of colour vision tells apart
BLUE, ORANGE = "#0072b2", "#d55e00"
LINE_COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK, GRID = "#57606a", "#d8dee4"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"

_SMALL, _TITLE = 9.0, 11.0  # sizes of fonts
_MOST_TICKS = 20


def as_percent(share: float) -> str:
    """A share as people read it.

    >>> as_percent(0.3), as_percent(0.025)
    ('30%', '2.5%')
    """
    return f"{100 * share:.6g}%"


def as_number(value: float) -> str:
    """A number in at most four digits."""
    return f"{value:.4g}"


def short_name(name: str, longest: int) -> str:
    """A name that users gave, without what XML cannot carry, cut to `longest` characters.

    >>> short_name("a long name", 6)
    'a lon…'
    """
    cleaned = plain_text(name)
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1] + "…"


def text_width(text: str, size: float = _SMALL) -> float:
    """About how wide a text is in a sans-serif font of that size; more rather than less."""
    return 0.6 * size * columns(text)


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """At most about `most` round numbers from `low` to `high`: multiples of 1, 2, 2.5 or 5 times a power of ten.

    >>> ticks(0, 1, 6), ticks(0.4, 3.2, 6, whole=True)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [1, 2, 3])
    """
    rough = (high - low) / most
    if not (rough > 0 and math.isfinite(rough)) or low + rough == low:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    choices = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next((each * power for each in choices if each * power >= rough * (1 - 1e-9)), 10 * power)
    step = max(1, round(step)) if whole else step
    if step == 0:  # below the smallest number that there is
        return [low]
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, min(last, first + _MOST_TICKS) + 1)]


def with_margin(values: Sequence[float], share: float) -> tuple[float, float]:
    """From the smallest to the largest of `values`, and `share` of that room beyond; 0 to 1 for no values.

    >>> with_margin([1, 3], 0.25)
    (0.5, 3.5)
    """
    if not values:
        return 0.0, 1.0
    low, high = float(min(values)), float(max(values))
    room = share * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


@dataclass(frozen=True)
class Panel:
    """A rectangle that numbers are drawn in: `xs` from left to right, `ys` from bottom to top."""

    left: float
    top: float
    width: float
    height: float
    xs: tuple[float, float] = (0.0, 1.0)
    ys: tuple[float, float] = (0.0, 1.0)

    def x(self, value: float) -> float:
        """Where a number lies on the horizontal axis."""
        return self.left + self.width * (value - self.xs[0]) / (self.xs[1] - self.xs[0])

    def y(self, value: float) -> float:
        """Where a number lies on the vertical axis."""
        return self.top + self.height * (self.ys[1] - value) / (self.ys[1] - self.ys[0])

    def title(self, words: str) -> str:
        """A heading above the panel's left end."""
        return label(self.left, self.top - 10, words, size=_TITLE, bold=True)

    def x_axis(self, values: Iterable[float], shown: Callable[[float], str] | None, name: str = "") -> str:
        """Grid lines at `values`, what is written below them, and the axis's name."""
        bottom, parts = self.top + self.height, []
        for value in values:
            parts.append(_rule(self.x(value), self.top, self.x(value), bottom))
            if shown is not None:
                parts.append(label(self.x(value), bottom + 12, shown(value), anchor="middle"))
        parts.append(label(self.left + self.width / 2, bottom + 25, name, anchor="middle"))
        return "".join(parts)

    def y_axis(self, values: Iterable[float], shown: Callable[[float], str], name: str = "") -> str:
        """Grid lines at `values`, what is written left of them, and the axis's name, turned."""
        right, parts = self.left + self.width, []
        for value in values:
            parts.append(_rule(self.left, self.y(value), right, self.y(value)))
            parts.append(label(self.left - 5, self.y(value) + 3, shown(value), anchor="end"))
        middle = self.top + self.height / 2
        parts.append(label(10, middle, name, anchor="middle", turn=-90))
        return "".join(parts)

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2, dashes: str = ""
    ) -> str:
        """Points joined by a line, each with a dot where there are few."""
        if not points:
            return ""
        places = [(self.x(x), self.y(y)) for x, y in points]
        path = "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in places)
        style = f"fill: none; stroke: {colour}; stroke-width: {width:g}"
        style += f"; stroke-dasharray: {dashes}" if dashes else ""
        dots = "".join(dot(x, y, colour) for x, y in places) if len(places) <= 30 and width == 2 else ""
        return f'<path d="{path}" style="{style}"/>{dots}'

    def bar(self, low: float, high: float, value: float, style: str) -> str:
        """A bar from `low` to `high` on the horizontal axis, as high as `value`."""
        left, top = self.x(low), self.y(value)
        width, height = self.x(high) - left, self.y(0) - top
        place = f'x="{_short(left)}" y="{_short(top)}" width="{_short(width)}" height="{_short(height)}"'
        return f'<rect {place} style="{style}"/>'


def dot(x: float, y: float, colour: str, radius: float = 1.8, *, hollow: bool = False) -> str:
    """A round mark."""
    style = f"fill: none; stroke: {colour}; stroke-width: 1.6" if hollow else f"fill: {colour}"
    return f'<circle cx="{_short(x)}" cy="{_short(y)}" r="{radius:g}" style="{style}"/>'


def label(
    x: float,
    y: float,
    words: str,
    *,
    size: float = _SMALL,
    anchor: str = "start",
    colour: str = INK,
    turn: float = 0,
    bold: bool = False,
) -> str:
    """A line of text, nothing where there are no words; `turn` in degrees."""
    if not words:
        return ""
    style = f"font-size: {size:g}px; text-anchor: {anchor}; fill: {colour}" + "; font-weight: 600" * bold
    turned = f' transform="rotate({turn:g} {_short(x)} {_short(y)})"' if turn else ""
    return f'<text x="{_short(x)}" y="{_short(y)}"{turned} style="{style}">{escape(plain_text(words))}</text>'


def legend(right: float, y: float, entries: Sequence[tuple[str, str, bool]]) -> str:
    """Names, colours and whether the mark is a ring, in one line that ends at `right`."""
    parts, left = [], right - sum(text_width(name) + 24 for name, _, _ in entries)
    for name, colour, ring in entries:
        rule = _rule(left, y - 3, left + 12, y - 3, f"stroke: {colour}; stroke-width: 2")
        parts.append(dot(left + 6, y - 3, colour, 4, hollow=True) if ring else rule)
        parts.append(label(left + 16, y, name))
        left += text_width(name) + 24
    return "".join(parts)


def document(width: float, height: float, parts: Iterable[str], about: str) -> str:
    """A transparent `<svg>` element that scales to its place; `about` is for screen readers."""
    style = f"max-width: {width / 72:.2f}in; font-family: {FONTS}; stroke-linejoin: round"
    return (
        f'<svg role="img" aria-label="{escape(plain_text(about))}" style="{style}" '
        f'viewBox="0 0 {_short(width)} {_short(height)}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">{"".join(parts)}</svg>'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, style: str = "") -> str:
    ends = f'x1="{_short(x1)}" y1="{_short(y1)}" x2="{_short(x2)}" y2="{_short(y2)}"'
    return f'<line {ends} style="{style or f"stroke: {GRID}; stroke-width: 0.8"}"/>'


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
