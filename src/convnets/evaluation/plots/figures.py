"""Plots of a run and of an evaluation, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from convnets.errors import UsageError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.plots.drawing import (
    BLUE,
    GRID,
    INK,
    LINE_COLORS,
    ORANGE,
    Names,
    style_axes,
    svg_text,
)

__all__ = ["CELLS", "confusion_svg", "curve_svg", "curves_svg", "reliability_svg"]

Rows = Sequence[Mapping[str, float | None]]

CELLS = 100
"""Cells along a side of the confusion matrix at most; smaller ones could not be seen."""

_NAMED_CLASSES = 40  # more names than this do not fit beside a matrix
_COUNTED_CLASSES = 14  # more counts than this do not fit into its cells
_COLORS = {"train": BLUE, "validation": ORANGE}
_MEASURES = ("loss", "accuracy", "learning_rate")


def curves_svg(rows: Rows) -> str:
    """Loss and accuracy over the epochs, side by side, from the rows of metrics.csv.

    >>> curves_svg([{"epoch": 1, "train_loss": 0.7, "train_accuracy": 0.5}])[:5]
    '<svg '
    """
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_curve(axes, rows, measure)
    return svg_text(figure, "Loss and accuracy by epoch")


def curve_svg(rows: Rows, measure: str) -> str:
    """One of `loss`, `accuracy`, `learning_rate` over the epochs; raises UsageError for another name."""
    if measure not in _MEASURES:
        raise UsageError(f"measure is {measure!r}; allowed: {', '.join(_MEASURES)}")
    figure = Figure(figsize=(4.3, 3.1), layout="constrained")
    _draw_curve(figure.subplots(), rows, measure)
    return svg_text(figure, f"{measure.replace('_', ' ').capitalize()} by epoch")


def _draw_curve(axes: Axes, rows: Rows, measure: str) -> None:
    style_axes(axes, measure.replace("_", " ").capitalize(), "epoch")
    columns = (
        {measure: BLUE}
        if measure == "learning_rate"
        else {f"{part}_{measure}": color for part, color in _COLORS.items()}
    )
    for column, color in columns.items():
        _draw_line(axes, rows, column, color)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if measure == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    if len(axes.lines) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    axes.margins(x=0.03, y=0.12)


def _draw_line(axes: Axes, rows: Rows, column: str, color: str) -> None:
    points = [
        (epoch, value, bool(row.get("best")))
        for row in rows
        if (epoch := row.get("epoch")) is not None
        and (value := row.get(column)) is not None
        and math.isfinite(value)
    ]
    if not points:
        return
    epochs, values, best = zip(*points, strict=True)
    marker = "o" if len(points) <= 30 else ""
    axes.plot(
        epochs, values, color=color, linewidth=2, marker=marker, markersize=3.5, label=column.split("_")[0]
    )
    if any(best) and column.startswith("validation"):
        last = max(i for i, is_best in enumerate(best) if is_best)  # each best epoch beat those before it
        axes.plot(
            epochs[last], values[last], "o", markersize=10, mfc="none", mec=color, mew=1.6, label="best"
        )


def confusion_svg(evaluation: Evaluation) -> str:
    """The confusion matrix: each row is a true class; blue cells are right, orange ones are mistakes.

    A cell's strength is its share of the row; mistakes are drawn by its square root, so that rare ones show.
    Counts are written with up to 14 classes, names with up to 40; of more than 100 classes, neighbors in the order
    of the labels share a cell, whose blue is the share that was right and whose orange the share outside the cell.
    """
    counts = evaluation.confusion.numpy()
    classes = len(counts)
    side = 6.4 if classes > _COUNTED_CLASSES else 1.9 + 0.42 * classes
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "", "predicted", "true")
    axes.grid(False)
    edges = (-0.5, classes - 0.5)
    axes.imshow(_cells(counts), interpolation="none", aspect="equal", extent=(*edges, *edges[::-1]))
    names = Names(evaluation.classes, longest=16)
    if classes <= _NAMED_CLASSES:
        places = range(classes)
        axes.set_xticks(places, names.placeholders(), parse_math=False)
        if (
            classes > 5
        ):  # anchored by their ends: the browser's letters are not as wide as those that were measured
            for label in axes.get_xticklabels():
                label.set(rotation=90, rotation_mode="anchor", ha="right", va="center")
        axes.set_yticks(places, names.placeholders(), parse_math=False)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
    if classes <= _COUNTED_CLASSES:
        _write_counts(axes, counts)
    return svg_text(figure, f"Confusion matrix of {classes} classes", names)


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


def _write_counts(axes: Axes, counts: np.ndarray) -> None:
    strength = _cells(counts)[..., 3]
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "#ffffff" if strength[row, column] > 0.6 else INK
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)


def reliability_svg(evaluation: Evaluation) -> str:
    """The reliability diagram: accuracy at each confidence, the ideal line, and the share of images below."""
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = [each for each in evaluation.reliability if each.count]
    lows, width = [each.low for each in bins], 1 / len(evaluation.reliability)
    style_axes(upper, "", "", "accuracy")
    upper.bar(lows, [each.accuracy for each in bins], width * 0.92, align="edge", color=BLUE, alpha=0.85)
    upper.plot(
        [each.confidence for each in bins], [each.accuracy for each in bins], "o", color=ORANGE, markersize=4
    )
    upper.plot([0, 1], [0, 1], linestyle=(0, (4, 3)), color=INK, linewidth=1.2)
    upper.set_ylim(0, 1)
    style_axes(lower, "", "confidence", "images")
    total = sum(each.count for each in bins)
    lower.bar(
        lows,
        [each.count / total for each in bins],
        width * 0.92,
        align="edge",
        color=GRID,
        edgecolor=INK,
        lw=0.6,
    )
    lower.set_xlim(0, 1)
    lower.tick_params(axis="x", pad=7)
    for axis in (upper.yaxis, lower.yaxis, lower.xaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    lower.yaxis.set_major_locator(MaxNLocator(3))
    return svg_text(figure, "Reliability diagram")


def lines_svg(lines: Mapping[str, Sequence[tuple[float | None, float | None]]], measure: str) -> str:
    """Curves of several runs over their epochs: name → (epoch, value), points without a value are left out.

    >>> lines_svg({"first run": [(1, 0.5), (2, 0.7)]}, "accuracy")[:5]
    '<svg '
    """
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, measure.replace("_", " ").capitalize(), "epoch")
    names = Names(list(lines), longest=40)
    for place, (points, placeholder) in enumerate(zip(lines.values(), names.placeholders(), strict=True)):
        known = [(x, y) for x, y in points if x is not None and y is not None and math.isfinite(y)]
        marker = "o" if len(known) <= 30 else ""
        style = ("-", "--", ":")[place // len(LINE_COLORS) % 3]
        color = LINE_COLORS[place % len(LINE_COLORS)]
        xs, ys = [x for x, _ in known], [y for _, y in known]
        axes.plot(xs, ys, style, color=color, linewidth=2, marker=marker, markersize=3.5, label=placeholder)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if measure == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="center left", bbox_to_anchor=(1, 0.5))
    return svg_text(figure, f"{measure} of {len(lines)} runs", names)
