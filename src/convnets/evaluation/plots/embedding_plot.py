"""How vectors moved while they were trained: a plot, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convnets.evaluation.plots.axis import Axis, percent_text
from convnets.evaluation.plots.chart import Panel, chart_svg
from convnets.evaluation.plots.colors import LINE_COLORS

__all__ = ["embedding_svg"]

_SHARES = {
    "active": "still active",
    "recall_at_1": "Recall@1",
    "map_at_r": "MAP@R",
}
_DISTANCES = {"positive_distance": "within a class", "negative_distance": "between classes"}


def embedding_svg(rows: Sequence[Mapping[str, Any]]) -> str:
    """Shares and mean distances over the epochs, side by side, from the events `EmbeddingMeasured` as dictionaries.

    Shares: triplets or pairs that are still active, and Recall@1 and MAP@R of the validation images.

    >>> row = {"epoch": 1, "active": 0.4, "positive_distance": 0.5, "negative_distance": 1.2}
    >>> embedding_svg([row])[:5]
    '<svg '
    """
    shares = Panel("Shares", Axis("epoch", whole=True), Axis(low=0.0, high=1.02, words=percent_text))
    distances = Panel("Mean distance", Axis("epoch", whole=True), Axis(low=0.0))
    _draw(shares, rows, _SHARES)
    _draw(distances, rows, _DISTANCES)
    return chart_svg("Vectors by epoch", [[shares], [distances]], 662, 245)


def _draw(panel: Panel, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    for (key, label), color in zip(names.items(), LINE_COLORS, strict=False):
        points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            panel.line(points, color, label)
