"""Plots of a run and of an evaluation, as SVG text."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from convnets.errors import UsageError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.plots.axis import Axis, number_text, percent_text
from convnets.evaluation.plots.chart import Panel, chart_svg, shortened
from convnets.evaluation.plots.colors import BLUE, GRID, INK, LINE_COLORS, ORANGE

__all__ = ["CELLS", "confusion_svg", "curve_svg", "curves_svg", "lines_svg", "reliability_svg"]

Rows = Sequence[Mapping[str, float | None]]

CELLS = 100
"""Cells along a side of the confusion matrix at most; smaller ones could not be seen."""

_NAMED_CLASSES = 40  # more names than this do not fit beside a matrix
_COUNTED_CLASSES = 14  # more counts than this do not fit into its cells
_COLORS = {"train": BLUE, "validation": ORANGE}
_MEASURES = ("loss", "accuracy", "learning_rate")
_DASHES = ("", "7 3", "2 2")


def curves_svg(rows: Rows) -> str:
    """Loss and accuracy over the epochs, side by side, from the rows of metrics.csv.

    >>> curves_svg([{"epoch": 1, "train_loss": 0.7, "train_accuracy": 0.5}])[:5]
    '<svg '
    """
    panels = [[_curve(rows, measure)] for measure in ("loss", "accuracy")]
    return chart_svg("Loss and accuracy by epoch", panels, 662, 230)


def curve_svg(rows: Rows, measure: str) -> str:
    """One of `loss`, `accuracy`, `learning_rate` over the epochs; raises UsageError for another name."""
    if measure not in _MEASURES:
        raise UsageError(f"measure is {measure!r}; allowed: {', '.join(_MEASURES)}")
    return chart_svg(f"{_heading(measure)} by epoch", [[_curve(rows, measure)]])


def lines_svg(lines: Mapping[str, Sequence[tuple[float | None, float | None]]], measure: str) -> str:
    """Curves of several runs over their epochs: name → (epoch, value), points without a value are left out.

    >>> lines_svg({"first run": [(1, 0.5), (2, 0.7)]}, "accuracy")[:5]
    '<svg '
    """
    panel = _panel(measure)
    panel.beside = True
    for place, (name, points) in enumerate(lines.items()):
        known = [(x, y) for x, y in points if x is not None and y is not None and math.isfinite(y)]
        color = LINE_COLORS[place % len(LINE_COLORS)]
        dash = _DASHES[place // len(LINE_COLORS) % len(_DASHES)]
        panel.line(known, color, shortened(name, 40), dash)
    return chart_svg(f"{measure} of {len(lines)} runs", [[panel]], 520, max(288, 36 + 14 * len(lines)))


def _heading(measure: str) -> str:
    return measure.replace("_", " ").capitalize()


def _panel(measure: str) -> Panel:
    words = percent_text if measure == "accuracy" else number_text
    x = Axis("epoch", margin=0.03, whole=True)
    return Panel(_heading(measure), x, Axis(margin=0.12, words=words))


def _curve(rows: Rows, measure: str) -> Panel:
    panel = _panel(measure)
    columns = (
        {measure: BLUE}
        if measure == "learning_rate"
        else {f"{part}_{measure}": color for part, color in _COLORS.items()}
    )
    for column, color in columns.items():
        _draw_line(panel, rows, column, color)
    if len(panel.names) < 2:
        panel.names.clear()  # one line needs no name
    return panel


def _draw_line(panel: Panel, rows: Rows, column: str, color: str) -> None:
    points = [
        (epoch, value, bool(row.get("best")))
        for row in rows
        if (epoch := row.get("epoch")) is not None
        and (value := row.get(column)) is not None
        and math.isfinite(value)
    ]
    if not points:
        return
    line = [(epoch, value) for epoch, value, _ in points]
    panel.line(line, color, column.split("_")[0])
    best = [(epoch, value) for epoch, value, is_best in points if is_best]
    if best and column.startswith("validation"):  # each best epoch beat those before it
        panel.dots(best[-1:], color, 5.0, ring=True, name="best")


def confusion_svg(evaluation: Evaluation) -> str:
    """The confusion matrix: each row is a true class; blue cells are right, orange ones are mistakes.

    A cell's strength is its share of the row; mistakes are drawn by its square root, so that rare ones show.
    Counts are written with up to 14 classes, names with up to 40; of more than 100 classes, neighbors in the order
    of the labels share a cell, whose blue is the share that was right and whose orange the share outside the cell.
    """
    counts = evaluation.confusion.numpy()
    classes = len(counts)
    names = None
    if classes <= _NAMED_CLASSES:
        names = [(float(place), shortened(name, 16)) for place, name in enumerate(evaluation.classes)]
    first, last = -0.5, classes - 0.5
    panel = Panel(
        "",
        Axis("predicted", first, last, whole=True, ticks=names, upright=names is not None and classes > 5),
        Axis("true", last, first, whole=True, ticks=names),
        grid=False,
        square=True,
    )
    panel.cells(_png(_cells(counts)), (first, last, first, last))
    if classes <= _COUNTED_CLASSES:
        _write_counts(panel, counts)
    width = 460 if classes > _COUNTED_CLASSES else 130 + 31 * classes
    return chart_svg(f"Confusion matrix of {classes} classes", [[panel]], width)


def _cells(counts: np.ndarray) -> np.ndarray:
    """K×K counts → B×B×4 RGBA with B ≤ 100; nothing is drawn where nothing was counted."""
    blue, orange = ([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in (BLUE, ORANGE))
    starts = np.arange(0, len(counts), -(-len(counts) // CELLS))
    blocks = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    right = np.add.reduceat(counts.diagonal(), starts)
    images = np.maximum(blocks.sum(1, keepdims=True), 1)
    diagonal = np.eye(len(blocks), dtype=bool)
    cells = np.empty((*blocks.shape, 4))
    cells[..., :3] = np.where(diagonal[..., None], blue, orange)
    cells[..., 3] = np.where(diagonal, right[:, None] / images, np.sqrt(blocks / images))
    return cells


def _png(cells: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * cells).astype(np.uint8), "RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def _write_counts(panel: Panel, counts: np.ndarray) -> None:
    strength = _cells(counts)[..., 3]
    for (row, column), count in np.ndenumerate(counts):
        if count:
            panel.words((column, row), str(count), "#ffffff" if strength[row, column] > 0.6 else INK)


def reliability_svg(evaluation: Evaluation) -> str:
    """The reliability diagram: accuracy at each confidence, the ideal line, and the share of images below."""
    bins = [each for each in evaluation.reliability if each.count]
    width, total = 0.92 / len(evaluation.reliability), sum(each.count for each in bins)
    upper = Panel(x=Axis("", 0.0, 1.0, ticks=()), y=Axis("accuracy", 0.0, 1.0, words=percent_text), share=3.0)
    upper.bars([(each.low, width, each.accuracy) for each in bins], BLUE, opacity=0.85)
    upper.dots([(each.confidence, each.accuracy) for each in bins], ORANGE)
    upper.line([(0.0, 0.0), (1.0, 1.0)], INK, dash="4 3", width=1.2, markers=False)
    lower = Panel(
        x=Axis("confidence", 0.0, 1.0, words=percent_text),
        y=Axis("images", low=0.0, most=3, words=percent_text),
    )
    lower.bars([(each.low, width, each.count / total) for each in bins], GRID, outline=INK)
    return chart_svg("Reliability diagram", [[upper, lower]], 331, 331)
