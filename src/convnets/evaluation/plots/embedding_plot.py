"""How vectors moved while they were trained: a plot, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from convnets.evaluation.plots.drawing import INK, LINE_COLORS, style_axes, svg_text

__all__ = ["embedding_svg"]

_SHARES = {
    "active": "triplets or pairs still active",
    "recall_at_1": "Recall@1, validation",
    "map_at_r": "MAP@R, validation",
}
_DISTANCES = {"positive_distance": "within a class", "negative_distance": "between classes"}


def embedding_svg(rows: Sequence[Mapping[str, Any]]) -> str:
    """Shares and mean distances over the epochs, side by side, from the events `EmbeddingMeasured` as dictionaries.

    >>> row = {"epoch": 1, "active": 0.4, "positive_distance": 0.5, "negative_distance": 1.2}
    >>> embedding_svg([row])[:5]
    '<svg '
    """
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    shares, distances = figure.subplots(1, 2)
    style_axes(shares, "Found, and still to do", "epoch")
    style_axes(distances, "Mean distance of two images", "epoch")
    _draw(shares, rows, _SHARES)
    _draw(distances, rows, _DISTANCES)
    shares.yaxis.set_major_formatter(PercentFormatter(1.0))
    shares.set_ylim(0, 1.02)
    distances.set_ylim(bottom=0)
    return svg_text(figure, "Vectors by epoch")


def _draw(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    for (key, label), color in zip(names.items(), LINE_COLORS, strict=False):
        points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            epochs, values = zip(*points, strict=True)
            marker = "o" if len(points) <= 30 else ""
            axes.plot(epochs, values, color=color, linewidth=2, marker=marker, markersize=3.5, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if axes.lines:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
