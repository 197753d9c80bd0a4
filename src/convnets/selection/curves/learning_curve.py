"""The learning curve: accuracy against the number of training images, and what twice as many would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, PercentFormatter

from convnets.core.display.text_table import aligned
from convnets.core.progress import Progress
from convnets.core.seeds import derive_seed
from convnets.data.image_set import ImageSet, Splits
from convnets.data.splits import split_off
from convnets.errors import ConfigError, RunError
from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.selection.curves.parts import open_parts
from convnets.selection.curves.power_law import PowerLaw, fit_power_law
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.runs.run import ENDED
from convnets.training.train import train

__all__ = ["LearningCurve", "Point", "learning_curve"]

FRACTIONS = (0.05, 0.1, 0.2, 0.4)
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7)  # of errors


@dataclass(frozen=True)
class Point:
    """A run on some of the images."""

    images: int
    """That it was trained on."""
    accuracy: float
    """On the validation images, which are the same for every size."""


@dataclass(frozen=True)
class LearningCurve:
    """Points, the law through them, and what it says of sets that were not trained on."""

    points: tuple[Point, ...]
    law: PowerLaw
    all_images: int
    """Training images that there are, without the validation images."""

    def predict(self, images: float) -> float:
        """Validation accuracy that the law expects."""
        return 1 - self.law.error(images)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "points": [asdict(each) for each in self.points],
            "law": self.law.to_dict(),
            "all_images": self.all_images,
            "predicted_for_all": self.predict(self.all_images),
            "predicted_for_twice": self.predict(2 * self.all_images),
        }

    def __str__(self) -> str:
        rows = [
            [f"{each.images:,}", f"{each.accuracy:.4f}", f"{self.predict(each.images):.4f}"]
            for each in self.points
        ]
        law = f"error = {self.law.floor:.4f} + {self.law.factor:.3f} · n^−{self.law.exponent:.3f}"
        return (
            f"{aligned(('images', 'validation', 'law'), rows, right=(0, 1, 2))}\n\n{law}\n"
            f"expected with all {self.all_images:,}: {self.predict(self.all_images):.4f}; "
            f"with twice as many: {self.predict(2 * self.all_images):.4f}"
        )

    def figure(self) -> Figure:
        """Error against images, both logarithmic: a law without a floor is a straight line."""
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, "What more images bring", "training images", "validation error")
        counts = np.geomspace(min(each.images for each in self.points), 2 * self.all_images, 100)
        axes.plot(counts, [self.law.error(n) for n in counts], color=BLUE, linewidth=1.5, label="law")
        own = [(each.images, 1 - each.accuracy) for each in self.points]
        axes.plot(*zip(*own, strict=True), "o", color=BLUE, markersize=6, label="trained")
        further = (self.all_images, 2 * self.all_images)
        axes.plot(
            further, [self.law.error(n) for n in further], "D", mfc="none", color=ORANGE, label="expected"
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_locator(FixedLocator(_TICKS))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
        return figure


def learning_curve(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    fractions: Sequence[float] = FRACTIONS,
    arguments: dict[str, Any] | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> LearningCurve:
    """Train on growing shares of the images, each within the next, and put a power law through the errors.

    The validation images are split off first and are the same for every size; the test images are taken away. Runs
    lie in `output`/NAME. Raises ConfigError for fewer than three shares, RunError where a run was stopped: go on.
    """
    config = config or TrainConfig()
    if len(set(fractions)) < 3 or not all(0 < each <= 1 for each in fractions):
        raise ConfigError(f"fractions {list(fractions)}; allowed: three or more, above 0 and at most 1")
    parts = open_parts(data, config, progress)
    whole, validation = parts.train, parts.validation
    path = Path(output) / (name or f"learning-curve-{network}-{parts.name}")
    part, points = whole, []
    for fraction in sorted(set(fractions), reverse=True):
        count = round(fraction * len(whole))
        if count < len(part):
            _, part = split_off(part, count, seed=derive_seed(config.seed, "learning curve", count))
        run = train(
            network,
            Splits(part, validation),
            replace(config),
            arguments=arguments,
            output=path,
            name=f"images{len(part)}",
            go_on=go_on,
            listeners=listeners,
            progress=progress,
        )
        if run.status not in ENDED:
            raise RunError(f"{run.path} was stopped ({run.status}); go on with --resume")
        points.append(Point(len(part), float(run.results["validation"]["accuracy"])))
    points.reverse()
    law = fit_power_law([each.images for each in points], [1 - each.accuracy for each in points])
    return LearningCurve(tuple(points), law, len(whole))
