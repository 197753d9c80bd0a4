"""Norm channels: what batch norms have learned, channel by channel: γ multiplies, β is added."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from convnets.errors import InputError
from convnets.evaluation.plots.drawing import BLUE, GRID, INK, ORANGE, style_axes
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.pictures.shown import Shown
from convnets.inspection.health.measure import batch_norms_of
from convnets.inspection.health.record import BatchNormHealth

__all__ = ["NormChannels", "norm_channels"]

_COLUMNS = 3


@dataclass(frozen=True)
class NormChannels(Shown):
    """Every batch norm of a network, in the order of its modules."""

    norms: tuple[BatchNormHealth, ...]
    network: str

    def figure(self) -> Figure:
        """A small plot for each batch norm: γ as blue bars and β as orange dots, over the channels."""
        columns = min(_COLUMNS, len(self.norms))
        rows = -(-len(self.norms) // columns)
        figure = Figure(figsize=(3.4 * columns + 0.6, 1.75 * rows + 0.9), layout="constrained")
        figure.suptitle(
            f"{self.network}: γ (blue bars) and β (orange dots) by channel",
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
            color=INK,
            parse_math=False,
        )
        every = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, norm in zip(every, self.norms, strict=False):
            _draw(axes, norm)
        for axes in every[len(self.norms) :]:
            axes.axis("off")
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), f"Batch norms of {self.network} by channel")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"network": self.network, "norms": [asdict(norm) for norm in self.norms]}


def _draw(axes: Axes, norm: BatchNormHealth) -> None:
    style_axes(axes, "", "")
    axes.set_title(
        shortened(drawable(norm.name), 300, 9), loc="left", fontsize=9, color=INK, pad=4, parse_math=False
    )
    axes.tick_params(labelsize=7.5)
    places = range(len(norm.gamma))
    axes.bar(places, norm.gamma, color=BLUE, alpha=0.5, width=0.8)
    size = 3.0 if len(norm.beta) <= 64 else 1.5
    axes.plot(places, norm.beta, "o", color=ORANGE, markersize=size)
    axes.axhline(0, color=GRID, linewidth=1.0)
    axes.margins(x=0.02)


def norm_channels(network: nn.Module) -> NormChannels:
    """γ and β of every batch norm of `network`; raises InputError where it has none that learns them.

    >>> norm_channels(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))).norms[0].gamma
    (1.0, 1.0)
    """
    norms = batch_norms_of(network)
    if not norms:
        raise InputError(
            f"{type(network).__name__} has no batch norm with γ and β; lenet_bn and resnet18 have them"
        )
    return NormChannels(norms, type(network).__name__)
