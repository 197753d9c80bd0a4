"""Plots of a run and of an evaluation, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from convnets.errors import UsageError
from convnets.evaluation.chart import (
    BLUE,
    GRID,
    INK,
    LINE_COLOURS,
    ORANGE,
    Panel,
    as_number,
    as_percent,
    document,
    dot,
    label,
    legend,
    short_name,
    text_width,
    ticks,
    with_margin,
)
from convnets.evaluation.confusion_plot import CELLS, confusion_svg
from convnets.evaluation.evaluation import Evaluation

__all__ = ["CELLS", "confusion_svg", "curve_svg", "curves_svg", "lines_svg", "reliability_svg"]

Rows = Sequence[Mapping[str, float | None]]
_Points = list[tuple[float, float]]

_COLOURS = {"train": BLUE, "validation": ORANGE}
_MEASURES = ("loss", "accuracy", "learning_rate")
_DASHES = ("", "6 3", "1.5 3")  # of the first six lines, the next six, and so on
_TOP, _BOTTOM, _RIGHT = 26.0, 32.0, 10.0  # around a panel: heading, axis, and a little air


def curves_svg(rows: Rows) -> str:
    """Loss and accuracy over the epochs, side by side, from the rows of metrics.csv.

    >>> curves_svg([{"epoch": 1, "train_loss": 0.7, "train_accuracy": 0.5}])[:5]
    '<svg '
    """
    half, height = 331.0, 230.0
    parts = [
        _curve(rows, measure, place * half, half, height)
        for place, measure in enumerate(("loss", "accuracy"))
    ]
    return document(2 * half, height, parts, "Loss and accuracy by epoch")


def curve_svg(rows: Rows, measure: str) -> str:
    """One of `loss`, `accuracy`, `learning_rate` over the epochs; raises UsageError for another name."""
    if measure not in _MEASURES:
        raise UsageError(f"measure is {measure!r}; allowed: {', '.join(_MEASURES)}")
    width, height = 310.0, 223.0
    about = f"{measure.replace('_', ' ').capitalize()} by epoch"
    return document(width, height, [_curve(rows, measure, 0, width, height)], about)


def _curve(rows: Rows, measure: str, left: float, width: float, height: float) -> str:
    lines = (
        {"learning": (measure, BLUE)}
        if measure == "learning_rate"
        else {part: (f"{part}_{measure}", colour) for part, colour in _COLOURS.items()}
    )
    points = {name: _points(rows, column) for name, (column, _) in lines.items()}
    panel, parts = _by_epoch(list(points.values()), measure, left, width, height)
    parts.append(panel.title(measure.replace("_", " ").capitalize()))
    named = []
    for name, (_, colour) in lines.items():
        parts.append(panel.line(points[name], colour))
        named += [(name, colour, False)] if points[name] else []
    best = [point for row in rows if row.get("best") for point in _points([row], f"validation_{measure}")]
    if best:  # each best epoch beat those before it
        parts.append(dot(panel.x(best[-1][0]), panel.y(best[-1][1]), ORANGE, 5, hollow=True))
        named.append(("best", ORANGE, True))
    if len(named) > 1:
        parts.append(legend(left + width - _RIGHT, _TOP - 10, named))
    return "".join(parts)


def _by_epoch(
    lines: Sequence[_Points], measure: str, left: float, width: float, height: float
) -> tuple[Panel, list[str]]:
    """A panel that holds all points, epochs to the right, and its axes."""
    ys = with_margin([y for points in lines for _, y in points], 0.12)
    xs = with_margin([x for points in lines for x, _ in points], 0.03)
    shown, values = as_percent if measure == "accuracy" else as_number, ticks(*ys, 6)
    room = 10 + max(text_width(shown(value)) for value in values)
    panel = Panel(left + room, _TOP, width - room - _RIGHT, height - _TOP - _BOTTOM, xs, ys)
    return panel, [
        panel.y_axis(values, shown),
        panel.x_axis(ticks(*xs, 8, whole=True) or [xs[0]], as_number, "epoch"),
    ]


def _points(rows: Rows, column: str) -> _Points:
    """Epoch and value of each row that has them, as finite numbers."""
    pairs = [(row.get("epoch"), row.get(column)) for row in rows]
    return [(x, y) for x, y in pairs if x is not None and y is not None and math.isfinite(y)]


def reliability_svg(evaluation: Evaluation) -> str:
    """The reliability diagram: accuracy at each confidence, the ideal line, and the share of images below."""
    size, left = 331.0, 46.0
    bins = [each for each in evaluation.reliability if each.count]
    total = sum(each.count for each in bins)
    shares = [each.count / total for each in bins]
    upper = Panel(left, 8, size - left - _RIGHT, 196)
    lower = Panel(left, 222, size - left - _RIGHT, 66, ys=(0, 1.05 * max(shares)))
    fifths = ticks(0, 1, 5)
    parts = [
        upper.x_axis(fifths, None),
        upper.y_axis(fifths, as_percent, "accuracy"),
        lower.x_axis(fifths, as_percent, "confidence"),
        lower.y_axis(ticks(*lower.ys, 3), as_percent, "images"),
    ]
    width = 0.92 / len(evaluation.reliability)
    for each, share in zip(bins, shares, strict=True):
        parts.append(upper.bar(each.low, each.low + width, each.accuracy, f"fill: {BLUE}; opacity: 0.85"))
        style = f"fill: {GRID}; stroke: {INK}; stroke-width: 0.6"
        parts.append(lower.bar(each.low, each.low + width, share, style))
    parts += [dot(upper.x(each.confidence), upper.y(each.accuracy), ORANGE, 2) for each in bins]
    parts.append(upper.line([(0, 0), (1, 1)], INK, width=1.2, dashes="5 4"))
    return document(size, 288 + _BOTTOM, parts, "Reliability diagram")


def lines_svg(lines: Mapping[str, Sequence[tuple[float | None, float | None]]], measure: str) -> str:
    """Curves of several runs over their epochs: name → (epoch, value), points without a value are left out.

    >>> lines_svg({"first run": [(1, 0.5), (2, 0.7)]}, "accuracy")[:5]
    '<svg '
    """
    known = [
        [(x, y) for x, y in points if x is not None and y is not None and math.isfinite(y)]
        for points in lines.values()
    ]
    names = [short_name(name, 40) for name in lines]
    width, room = 518.0, 30 + max((text_width(name) for name in names), default=0)
    height = max(288.0, _TOP + 14 * len(names))
    panel, parts = _by_epoch(known, measure, 0, max(width - room, 220), height)
    parts.append(panel.title(measure.replace("_", " ").capitalize()))
    beside = panel.left + panel.width + 14
    for place, (name, points) in enumerate(zip(names, known, strict=True)):
        colour = LINE_COLOURS[place % len(LINE_COLOURS)]
        dashes = _DASHES[place // len(LINE_COLOURS) % len(_DASHES)]
        parts.append(panel.line(points, colour, dashes=dashes))
        y = _TOP + 8 + 14 * place
        style = f"stroke: {colour}; stroke-width: 2" + (f"; stroke-dasharray: {dashes}" if dashes else "")
        parts.append(
            f'<line x1="{beside:g}" y1="{y - 3:g}" x2="{beside + 16:g}" y2="{y - 3:g}" style="{style}"/>'
        )
        parts.append(label(beside + 21, y, name))
    return document(beside + room, height, parts, f"{measure} of {len(lines)} runs")
