"""Ablation: what switching parts off did, part by part, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from convnets.core.display.text_table import aligned
from convnets.data.image_set import ImageSet
from convnets.evaluation.intervals import paired_difference, wilson_interval
from convnets.evaluation.plots.drawing import BLUE, GRID, INK, ORANGE, style_axes
from convnets.explanation.ablation.parts import Part
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.pictures.shown import Shown

__all__ = ["Ablation", "Effect", "effect_of"]

_DRAWN = 40  # bars that one can still read


@dataclass(frozen=True)
class Effect:
    """What happened when some parts were switched off together; changes are after minus before."""

    parts: tuple[Part, ...]
    accuracy: float
    """With them off, 0 to 1."""
    low: float
    """Ends of its 95 % interval (Wilson)."""
    high: float
    change: float
    """Of the accuracy."""
    change_low: float
    """Ends of the change's 95 % interval (Agresti & Min, the same images before and after)."""
    change_high: float
    loss_change: float
    """Of the mean cross-entropy, in nats: finer than accuracy, for ranking."""
    probability_change: float
    """Of the mean probability of the true class."""
    turned: int
    """How many images are taken for another class than before."""
    hit_class: str
    """The class whose accuracy fell most."""
    hit_change: float
    """By how much; 0 where none fell."""

    @property
    def name(self) -> str:
        """What was switched off, in a few words."""
        if len(self.parts) == 1:
            return str(self.parts[0])
        return f"{self.parts[0]} and {len(self.parts) - 1} more"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        parts = [{"layer": part.layer, "channels": part.channels} for part in self.parts]
        return {**vars(self), "parts": parts}


@dataclass(frozen=True)
class Ablation(Shown):
    """The effects of all parts, in the order in which they were given."""

    effects: tuple[Effect, ...]
    how: str
    network: str
    source: str
    images: int
    classes: tuple[str, ...]

    def ranked(self) -> tuple[Effect, ...]:
        """The most important first: where the loss rises most."""
        return tuple(sorted(self.effects, key=lambda effect: -effect.loss_change))

    def figure(self) -> Figure:
        """Change of the accuracy by part, the most important at the top, with intervals."""
        shown = self.ranked()[:_DRAWN]
        figure = Figure(figsize=(8.0, 1.6 + 0.24 * len(shown)), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, f"{self.network} without …", "change of the accuracy")
        places = np.arange(len(shown))
        changes = np.array([each.change for each in shown])
        ends = np.array([[each.change - each.change_low, each.change_high - each.change] for each in shown])
        colors = [
            BLUE if each.change_high < 0 else ORANGE if each.change_low > 0 else "#8b949e" for each in shown
        ]
        axes.barh(places, changes, color=colors, height=0.7)
        axes.errorbar(changes, places, xerr=ends.T.clip(0), fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
        axes.axvline(0, color=GRID, linewidth=1.2)
        axes.set_yticks(places, [shortened(drawable(each.name), 190, 8) for each in shown], fontsize=8)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        rest = len(self.effects) - len(shown)
        words = (
            f"{self.how} in its place, {self.images:,} images; sorted by the rise of the loss, 95 % intervals"
        )
        more = f", {rest} more not shown" if rest else ""
        axes.set_xlabel(f"change of the accuracy\n{words}{more}", fontsize=8.5, color=INK)
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), f"{self.network} with parts switched off", str(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the most important part first."""
        return {
            "network": self.network,
            "source": self.source,
            "images": self.images,
            "how": self.how,
            "effects": [effect.to_dict() for effect in self.ranked()],
        }

    def __str__(self) -> str:
        rows = [
            (
                each.name,
                f"{each.accuracy:.3f}",
                f"{each.change:+.3f}",
                f"{each.change_low:+.3f} to {each.change_high:+.3f}",
                f"{each.loss_change:+.4f}",
                f"{each.turned}",
                f"{each.hit_class} {each.hit_change:+.2f}" if each.hit_change else "",
            )
            for each in self.ranked()
        ]
        head = ("off", "accuracy", "change", "95 % interval", "loss", "turned", "hit most")
        return aligned(head, rows, right=(1, 2, 3, 4, 5))


def effect_of(
    parts: tuple[Part, ...],
    before: tuple[Tensor, Tensor, Tensor],
    after: tuple[Tensor, Tensor, Tensor],
    images: ImageSet,
) -> Effect:
    """From predicted classes, losses and probabilities of the true class, N each, before and after."""
    labels, count = images.labels, len(images)
    was, now = before[0] == labels, after[0] == labels
    low, high = wilson_interval(int(now.sum()), count)
    gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
    change_low, change_high = paired_difference(gained, lost, count)
    falls = [
        (float((now[own].double() - was[own].double()).mean()), name)
        for label, name in enumerate(images.classes)
        if bool((own := labels == label).any())
    ]
    hit_change, hit_class = min(falls)
    return Effect(
        parts,
        float(now.double().mean()),
        low,
        high,
        (gained - lost) / count,
        change_low,
        change_high,
        float((after[1] - before[1]).mean()),
        float((after[2] - before[2]).mean()),
        int((before[0] != after[0]).sum()),
        hit_class,
        min(0.0, hit_change),
    )
