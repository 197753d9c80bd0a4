"""Pruning as a what-if: the cheapest channels of a layer taken out, and accuracy against the work that is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import nn

from convnets.core.display.text_table import aligned
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, GRID, INK, style_axes
from convnets.explanation.ablation.ablate import ablate_groups
from convnets.explanation.ablation.ablation import Effect
from convnets.explanation.ablation.channel_path import channel_path, macs_by_count
from convnets.explanation.ablation.parts import Part, channels_of
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable
from convnets.explanation.pictures.shown import Shown

__all__ = ["PruningCurve", "PruningPoint", "what_if_pruned"]


@dataclass(frozen=True)
class PruningPoint:
    """The network without some channels."""

    removed: tuple[int, ...]
    macs: int
    """Multiply-accumulates for one image, of the whole network."""
    accuracy: float
    low: float
    """Ends of the 95 % interval (Wilson)."""
    high: float
    change: float
    change_low: float
    change_high: float
    """The change's interval, of the same images before and after (Agresti & Min)."""


@dataclass(frozen=True)
class PruningCurve(Shown):
    """Accuracy against work, from the whole network to that without most of the layer's channels."""

    layer: str
    network: str
    source: str
    images: int
    channels: int
    order: tuple[int, ...]
    """Channels from the least to the most important, each ranked by itself on the ranking images."""
    points: tuple[PruningPoint, ...]
    ranked_on: str
    """Where the images of the ranking came from."""

    def at(self, share: float) -> PruningPoint:
        """The point with `share` of the channels removed, or the next below it."""
        most = share * self.channels + 1e-9
        return [point for point in self.points if len(point.removed) <= most][-1]

    def figure(self) -> Figure:
        """Accuracy over the MACs that are left, with intervals; the quarter is marked."""
        figure = Figure(figsize=(7.6, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(
            axes,
            f"Without the cheapest channels of {drawable(self.layer)}",
            "MACs that are left, in millions",
            "accuracy",
        )
        macs = np.array([point.macs for point in self.points]) / 1e6
        accuracy = np.array([point.accuracy for point in self.points])
        ends = np.array([[point.accuracy - point.low, point.high - point.accuracy] for point in self.points])
        axes.errorbar(macs, accuracy, ends.T.clip(0), color=BLUE, marker="o", markersize=4, lw=1.8, capsize=3)
        quarter = self.at(0.25)
        axes.axvline(quarter.macs / 1e6, color=GRID, linewidth=1.4, linestyle="--", zorder=0)
        words = f"{len(quarter.removed)} of {self.channels} off: {quarter.change:+.1%}"
        axes.annotate(
            words, (quarter.macs / 1e6, axes.get_ylim()[0]), xytext=(5, 6), textcoords="offset points",
            fontsize=8.5, color=INK,
        )  # fmt: skip
        axes.invert_xaxis()
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(
            path, self.figure(), f"{self.network} without channels of {self.layer}", str(self)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "points": [dict(vars(point)) for point in self.points]}

    def __str__(self) -> str:
        rows = [
            (
                f"{len(point.removed)} of {self.channels}",
                f"{point.macs:,}",
                f"{point.accuracy:.3f}",
                f"{point.change:+.3f}",
                f"{point.change_low:+.3f} to {point.change_high:+.3f}",
            )
            for point in self.points
        ]
        return aligned(
            ("removed", "MACs", "accuracy", "change", "95 % interval"), rows, right=(0, 1, 2, 3, 4)
        )


def what_if_pruned(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    layer: str,
    *,
    ranked_on: ImageSet | None = None,
    steps: int = 8,
    most: float = 0.75,
    progress: Callable[[int, int], None] | None = None,
) -> PruningCurve:
    """Take channels of `layer` out, the cheapest first, and measure the accuracy at each step, without training on.

    Channels are ranked by the rise of the loss when each is set to zero by itself where it is read; accuracy is then
    measured with the first ones of that order gone together.

    Args:
        layer: a Conv2d of one group or a Linear layer (see `channel_path`).
        ranked_on: images that the order is chosen by; by default `images`, which flatters the curve a little.
        steps: points after the whole network, the last without the share `most` of the channels (at least one is kept);
            the quarter is always among them.

    Raises InputError for a layer whose channels cannot be taken out, ConfigError for steps below 1.
    """
    if steps < 1 or not 0 < most <= 1:
        raise ConfigError(f"steps is {steps}, most {most}; allowed: steps from 1, most above 0 up to 1")
    plain = plain_network(network)
    image = (preprocess.channels, preprocess.size, preprocess.size)
    path = channel_path(plain, layer, image)
    judges = images if ranked_on is None else ranked_on
    channels = channels_of(path.switch, path.channels)
    ranking = ablate_groups(plain, judges, preprocess, [[part] for part in channels], progress=progress)
    by_loss = sorted(ranking.effects, key=lambda effect: effect.loss_change)
    order = tuple(channel for effect in by_loss for channel in effect.parts[0].channels or ())
    shares = {step / steps * most for step in range(steps + 1)} | ({0.25} if most >= 0.25 else set())
    counts = sorted({min(path.channels - 1, int(share * path.channels + 1e-9)) for share in shares})
    # none removed: a part of no channels changes nothing
    groups = [[Part(path.switch, order[:count])] for count in counts]
    found = ablate_groups(plain, images, preprocess, groups, progress=progress)
    macs = macs_by_count(plain, path, image, counts)
    points = [
        _point(order[:count], left, effect)
        for count, left, effect in zip(counts, macs, found.effects, strict=True)
    ]
    name = type(plain).__name__
    return PruningCurve(
        layer, name, images.source, len(images), path.channels, order, tuple(points), judges.source
    )


def _point(removed: tuple[int, ...], macs: int, effect: Effect) -> PruningPoint:
    return PruningPoint(
        removed,
        macs,
        effect.accuracy,
        effect.low,
        effect.high,
        effect.change,
        effect.change_low,
        effect.change_high,
    )
