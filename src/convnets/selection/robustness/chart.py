"""Corruptions as pictures: accuracy by severity, and what each of them does to an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.selection.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt

__all__ = ["corruption_figure", "corruption_sheet"]

_COLUMNS = 6


def corruption_figure(accuracy: Mapping[str, Sequence[float]], clean: float) -> Figure:
    """A small chart per corruption, of equal scales; the dashed line is the accuracy on clean images."""
    lines = -(-len(accuracy) // _COLUMNS)
    figure = Figure(figsize=(1.75 * _COLUMNS, 1.65 * lines + 0.2), layout="constrained")
    grid = figure.subplots(lines, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(accuracy) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid.flat, accuracy.items(), strict=False):
        style_axes(axes, "", "")
        axes.set_title(name.replace("_", " "), loc="left", fontsize=9, color=INK)
        severities = range(1, len(values) + 1)
        axes.axhline(clean, color=ORANGE, linestyle=(0, (4, 3)), linewidth=1)
        axes.plot(severities, values, color=BLUE, linewidth=2, marker="o", markersize=3)
        axes.set_xticks(range(1, 6))
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def corruption_sheet(image: Tensor, index: int = 0, seed: int = 0) -> ContactSheet:
    """One uint8 image C×H×W at severities 0 to 5 of every corruption."""
    rows = [
        SheetRow(
            name.replace("_", " "),
            [corrupt(image[None], name, level, indices=[index], seed=seed)[0] for level in (0, *SEVERITIES)],
        )
        for name in CORRUPTIONS
    ]
    groups = [("as it is", 1), *((f"severity {level}", 1) for level in SEVERITIES)]
    assert image.dtype == torch.uint8
    return ContactSheet("Eighteen corruptions at five severities", (), groups, rows)
