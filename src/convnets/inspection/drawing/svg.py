"""SVG: shapes and texts as elements, with escaped names; the look that all drawings of networks share."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from convnets.inspection.drawing.layout.measures import text_width

__all__ = [
    "COLORS",
    "FRAME",
    "INK",
    "LINE",
    "PAPER",
    "SOFT",
    "document",
    "legend",
    "path",
    "plain",
    "rectangle",
    "text",
]

INK, SOFT, LINE, FRAME, PAPER = "#1f2933", "#5b6773", "#4a5663", "#c3ccd6", "#ffffff"
# light fills that dark text is read on; each row also says in words what it is
COLORS = {
    "input": "#ffffff",
    "block": "#d3dce6",
    "convolution": "#a9d0ee",
    "linear": "#f7cd8c",
    "attention": "#f2b5d4",
    "recurrent": "#e8b4e8",
    "pooling": "#b5dfb0",
    "normalization": "#d8d0ef",
    "activation": "#fff0b3",
    "dropout": "#dfe3e6",
    "joining": "#f5b7a3",
    "reshaping": "#dccfb6",
    "other": "#eceff2",
}
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"


def plain(value: str) -> str:
    """Text that XML can carry, escaped."""
    return escape("".join(each if each.isprintable() else "\ufffd" for each in value))


def rectangle(
    x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none", radius: float = 0
) -> str:
    """A rectangle with round corners."""
    corner = f' rx="{radius:g}"' if radius else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place}{corner} fill="{fill}" stroke="{stroke}"/>'


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 12,
    color: str = INK,
    anchor: str = "start",
    bold: bool = False,
    halo: bool = False,
) -> str:
    """A line of text; `halo` keeps it readable across lines."""
    extra = f' text-anchor="{anchor}"' if anchor != "start" else ""
    extra += ' font-weight="600"' if bold else ""
    extra += (
        f' stroke="{PAPER}" stroke-width="4" paint-order="stroke" stroke-linejoin="round"' if halo else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{color}"{extra}>{plain(content)}</text>'


def two_texts(
    x: float, y: float, first: str, second: str, *, bold: bool, size: float = 12, halo: str = ""
) -> str:
    """A text and a quieter one right behind it; `halo` is the color of the ground, to stand out from lines."""
    weight = ' font-weight="600"' if bold else ""
    weight += f' stroke="{halo}" stroke-width="4" paint-order="stroke"' if halo else ""
    rest = f'<tspan dx="5" font-weight="400" font-size="{size:g}">{plain(second)}</tspan>' if second else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" fill="{INK}"{weight}>{plain(first)}{rest}</text>'


def path(
    commands: str, *, stroke: str = LINE, fill: str = "none", width: float = 1.3, dashes: str = ""
) -> str:
    """A line, straight or not."""
    extra = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="{commands}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"{extra}/>'


def legend(families: Iterable[str], x: float, y: float, width: float) -> tuple[list[str], float]:
    """What the colors mean, in as many lines as it takes; the elements, and the height of all lines."""
    elements, left, top = [], x, y
    for family in families:
        step = 18 + text_width(family, 11) + 14
        if left > x and left + step > x + width:
            left, top = x, top + 20
        elements.append(rectangle(left, top, 13, 13, fill=COLORS[family], stroke=FRAME, radius=3))
        elements.append(text(left + 18, top + 11, family, size=11, color=SOFT))
        left += step
    return elements, top - y + (20 if elements else 0)


def document(width: float, height: float, elements: Iterable[str], *, title: str, description: str) -> str:
    """The whole picture, with what a screen reader says about it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{plain(title)}" font-family="{escape(_FONTS)}" '
        'style="max-width: 100%; height: auto">'
    )
    said = f"<title>{plain(title)}</title>\n<desc>{plain(description)}</desc>"
    paper = rectangle(0, 0, width, height, fill=PAPER, radius=6)
    return "\n".join([head, said, paper, *elements, "</svg>"]) + "\n"
