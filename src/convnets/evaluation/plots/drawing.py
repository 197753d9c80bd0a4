"""Drawing by matplotlib: one look for every figure, and SVG text that a page can carry. Charts of runs: `chart`.

Figures are made with matplotlib's object interface: no pyplot, no figure that stays behind. Text stays text,
so that a browser draws any script with its own fonts. Names given by users are never handed to matplotlib,
which would read `$` as mathematics and warn about letters that its font lacks: it sees placeholders as wide.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convnets.core.display.text import columns, plain_text
from convnets.evaluation.plots.chart import FONTS, shortened
from convnets.evaluation.plots.colors import BLUE, GRID, INK, LINE_COLORS, ORANGE

__all__ = ["BLUE", "GRID", "INK", "LINE_COLORS", "ORANGE", "Names", "style_axes", "svg_text"]


class Names:
    """Names of users' classes, which go around matplotlib."""

    def __init__(self, names: Sequence[str], longest: int = 18) -> None:
        self.names = [shortened(name, longest) for name in names]

    def placeholders(self) -> list[str]:
        """A plain text for each name, about as wide as it; unique."""
        return [f"@{i}@".ljust(columns(name), "n") for i, name in enumerate(self.names)]

    def put_back(self, svg: str) -> str:
        """`svg` with the names in the places of their placeholders."""
        return re.sub(r">@(\d+)@n*<", lambda match: f">{escape(self.names[int(match[1])])}<", svg)


def style_axes(axes: Axes, title: str, xlabel: str, ylabel: str = "") -> None:
    """A quiet frame: no box, a light grid behind, small labels, the title at the left."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def svg_text(figure: Figure, label: str, names: Names | None = None) -> str:
    """A figure as a transparent `<svg>` element that scales to its place; `label` is for screen readers."""
    buffer = io.StringIO()
    # these two can be set in no other way; the context puts them back
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # ids of several figures on one page would collide
    svg = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]*", rf"\1 {FONTS}", svg)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    style = f"max-width: {figure.get_figwidth():.2f}in; stroke-linejoin: round; stroke-linecap: butt"
    head = f'<svg role="img" aria-label="{escape(plain_text(label))}" style="{style}"'
    svg = svg.replace("<svg", head, 1)
    return names.put_back(svg) if names else svg
