"""Curves with bands: the mean over seeds at each epoch, and its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from convnets.evaluation.numbers import SCORE_NAMES
from convnets.evaluation.plots.drawing import INK, LINE_COLORS, style_axes
from convnets.selection.comparing.groups import Replicates
from convnets.selection.statistics.intervals import BELOW_1, SHARES, Interval, t_interval

__all__ = ["band", "bands_figure"]


def band(group: Replicates) -> list[tuple[int, Interval]]:
    """Epoch, and the interval of the mean validation (or else training) accuracy over seeds that reached it."""
    rows = [run.metrics for run in group.runs]
    found = []
    for epoch in range(1, max(map(len, rows), default=0) + 1):
        reached = [own[epoch - 1] for own in rows if len(own) >= epoch]
        validated = [row["validation_accuracy"] for row in reached]
        values = [row["train_accuracy"] for row in reached] if None in validated else validated
        known = [value for value in values if value is not None]
        if len(known) >= 2:
            found.append((epoch, t_interval(known, ends=SHARES if group.score == "accuracy" else BELOW_1)))
    return found


def bands_figure(groups: Sequence[Replicates]) -> Figure:
    """The curves of all groups in one picture."""
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    scores = sorted({group.score for group in groups})
    named = " or ".join(SCORE_NAMES[score] for score in scores)
    style_axes(axes, f"Validation {named}: mean over seeds, and its 95 % interval", "epoch")
    for place, group in enumerate(groups):
        points = band(group)
        color = LINE_COLORS[place % len(LINE_COLORS)]
        epochs = [epoch for epoch, _ in points]
        name = f"{group.path.name} ({len(group.runs)} seeds)".replace("$", r"\$").lstrip("_")
        axes.plot(epochs, [each.estimate for _, each in points], color=color, linewidth=2, label=name)
        lows, highs = [each.low for _, each in points], [each.high for _, each in points]
        axes.fill_between(epochs, lows, highs, color=color, alpha=0.2, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if scores == ["accuracy"]:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")
    return figure
