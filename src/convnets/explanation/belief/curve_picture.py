"""Curve picture: deletion and insertion of several maps as two plots."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from convnets.errors import InputError
from convnets.evaluation.plots.drawing import INK, LINE_COLORS, style_axes
from convnets.explanation.belief.curves import Curves
from convnets.explanation.belief.estimate import estimate

__all__ = ["curve_figure"]

_DASHES = ("-", "--", ":")


def curve_figure(curves: Mapping[str, Curves], title: str = "") -> Figure:
    """Mean probability over the images against the share of the pixels; the legend has the areas with intervals.

    Raises InputError where there is no curve.
    """
    if not curves:
        raise InputError("there are no curves to draw; give at least one method's")
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    pair = figure.subplots(1, 2, sharey=True)
    for axes, what in zip(pair, ("deletion", "insertion"), strict=True):
        better = "the lower, the better" if what == "deletion" else "the higher, the better"
        style_axes(
            axes, f"{what}: {better}", "share of the pixels", "probability" if what == "deletion" else ""
        )
        for place, (name, found) in enumerate(curves.items()):
            values, area = (found.deletion, found.deletion_area)
            if what == "insertion":
                values, area = found.insertion, found.insertion_area
            axes.plot(
                found.shares.cpu().numpy(),
                values.float().mean(0).cpu().numpy(),
                color=LINE_COLORS[place % len(LINE_COLORS)],
                linestyle=_DASHES[place // len(LINE_COLORS) % len(_DASHES)],
                label=f"{name} {estimate(area.double().cpu().numpy())}",
            )
        axes.set_ylim(0, 1.02)
        axes.legend(fontsize=7.5, frameon=False, labelcolor=INK, loc="best")
    return figure
