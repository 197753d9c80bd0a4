"""A picture of segments: RMSE or accuracy of each, with its interval, beside that of all rows."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.explanation.columns.segments import Segments

__all__ = ["segments_figure"]

_MOST_PANELS = 4


def segments_figure(segments: Segments) -> Figure:
    """A panel for each number (of more than four the first four), a dot for each segment, a line for all rows."""
    shown = segments.shown[::-1]
    targets = list(segments.whole.measures)[:_MOST_PANELS]
    measure = "accuracy" if "accuracy" in segments.whole.measures[targets[0]] else "rmse"
    height = max(2.4, 0.34 * len(shown) + 1.3)
    figure = Figure(figsize=(2.6 + 3.4 * len(targets), height), layout="constrained", dpi=120)
    panels = figure.subplots(1, len(targets), squeeze=False, sharey=True)[0]
    places = np.arange(len(shown))
    for axes, target in zip(panels, targets, strict=True):
        style_axes(axes, "", "accuracy" if measure == "accuracy" else "RMSE")
        title = "" if measure == "accuracy" else target
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10, parse_math=False)
        found = [each.measures[target] for each in shown]
        values = np.array([each[measure] for each in found])
        ends = [
            each[f"{measure}_interval"] or [value, value] for each, value in zip(found, values, strict=True)
        ]
        reach = np.abs(np.array(ends).T - values)
        axes.errorbar(values, places, xerr=reach, fmt="o", color=BLUE, ecolor=INK, elinewidth=1)
        axes.axvline(segments.whole.measures[target][measure], color=ORANGE, linewidth=1.2)
    panels[0].set_ylabel(segments.column, fontsize=9, color=INK, parse_math=False)
    panels[0].set_yticks(places, [f"{each.name[:24]} ({each.rows:,})" for each in shown], parse_math=False)
    return figure
