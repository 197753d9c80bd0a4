"""A picture of what a network goes by: bars of the columns' importance, and curves of the first of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from convnets.evaluation.plots.drawing import BLUE, INK, LINE_COLORS, style_axes
from convnets.explanation.columns.column_importance import ColumnImportance
from convnets.explanation.columns.partial_dependence import PartialDependence

__all__ = ["columns_figure"]

_MOST_BARS = 15


def columns_figure(importance: ColumnImportance, curves: Sequence[PartialDependence] = ()) -> Figure:
    """Bars at the left, with the spread over the repeats; to their right a plot for each curve."""
    bars = list(importance.drops.items())[:_MOST_BARS][::-1]
    height = max(3.2, 0.32 * len(bars) + 1.2)
    figure = Figure(figsize=(4.6 + 3.4 * len(curves), height), layout="constrained", dpi=120)
    axes = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
    style_axes(axes[0], "Without the column", f"{importance.measure} that is lost")
    places = np.arange(len(bars))
    means = [drops.mean() for _, drops in bars]
    spreads = [drops.std(ddof=1) if len(drops) > 1 else 0.0 for _, drops in bars]
    axes[0].barh(places, means, xerr=spreads, color=BLUE, ecolor=INK, height=0.7)
    axes[0].set_yticks(places, [_short(name) for name, _ in bars], parse_math=False)
    axes[0].axvline(0, color=INK, linewidth=0.8)
    for panel, curve in zip(axes[1:], curves, strict=True):
        _draw(panel, curve)
    if curves:  # one scale: a curve that hardly rises is to look flat
        low, high = np.array([panel.get_ylim() for panel in axes[1:]]).T
        for panel in axes[1:]:
            panel.set_ylim(low.min(), high.max())
    return figure


def _draw(axes: Axes, curve: PartialDependence) -> None:
    style_axes(axes, "", "", "")
    title = axes.set_title(
        _short(curve.column), loc="left", fontsize=11, fontweight="bold", color=INK, pad=10
    )
    title.set_parse_math(False)
    several = len(curve.names) > 1
    chosen = np.argsort(-np.ptp(curve.answers, axis=0))[: len(LINE_COLORS)] if several else [0]
    values = list(curve.values)
    if curve.kind == "date":
        values = [np.datetime64(int(value), "D") for value in curve.values]  # type: ignore[misc]
    for color, place in zip(LINE_COLORS, sorted(chosen), strict=False):
        if curve.kind == "category":
            places = np.arange(len(values))
            axes.plot(places, curve.answers[:, place], "o", color=color, label=_short(curve.names[place]))
            axes.set_xticks(
                places, [_short(str(value), 8) for value in values], rotation=30, parse_math=False
            )
        else:
            axes.plot(values, curve.answers[:, place], color=color, label=_short(curve.names[place]))
    if curve.kind == "date":
        axes.tick_params(axis="x", rotation=30)
    if several:
        for text in axes.legend(frameon=False, fontsize=8).get_texts():
            text.set_parse_math(False)
    else:
        axes.set_ylabel(_short(curve.names[0]), fontsize=9, color=INK, parse_math=False)


def _short(name: str, longest: int = 18) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
