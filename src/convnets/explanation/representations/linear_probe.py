"""Linear probes: how well the classes can be told apart by one linear layer, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError
from convnets.evaluation.intervals import wilson_interval
from convnets.evaluation.plots.drawing import BLUE, INK, style_axes
from convnets.evaluation.scores import hardware_for
from convnets.evaluation.vectors import compute_vectors
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.capture import one_image
from convnets.explanation.capture.layers import stages as stages_of
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.pictures.shown import Shown
from convnets.models.stage import stage_of

__all__ = ["LinearProbes", "StageProbe", "probe_stages"]


@dataclass(frozen=True)
class StageProbe:
    """What one linear layer on top of a stage reaches."""

    stage: str
    features: int
    """Numbers per image that it sees."""
    accuracy: float
    """On images that it was not fitted on, 0 to 1."""
    low: float
    """Lower end of the 95 % interval (Wilson)."""
    high: float
    fitted_accuracy: float
    """On the images that it was fitted on: far above `accuracy`, there are too few of them."""


@dataclass(frozen=True)
class LinearProbes(Shown):
    """Probes of the stages of one network, in the order of the layers."""

    probes: tuple[StageProbe, ...]
    network: str
    source: str
    fitted: int
    """Images that the probes were fitted on."""
    tested: int

    def figure(self) -> Figure:
        """Accuracy by stage, with intervals."""
        figure = Figure(figsize=(max(4.8, 1.4 + 0.8 * len(self.probes)), 3.6), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, "What a linear layer can tell, by stage", "")
        places = range(len(self.probes))
        accuracy = np.array([each.accuracy for each in self.probes])
        ends = np.array([[each.accuracy - each.low, each.high - each.accuracy] for each in self.probes])
        fitted = [each.fitted_accuracy for each in self.probes]
        axes.plot(
            places, fitted, "--", color=INK, alpha=0.6, linewidth=1.4, label="on the images it was fitted on"
        )
        axes.errorbar(
            places, accuracy, ends.T.clip(0), color=BLUE, marker="o", lw=2, ms=4, capsize=3, label="on others"
        )
        names = [shortened(drawable(each.stage), 100, 8) for each in self.probes]
        axes.set_xticks(
            places, names, rotation=30 if len(names) > 4 else 0, ha="right" if len(names) > 4 else "center"
        )
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(
            path, self.figure(), f"Linear probes of {self.network} on {self.source}", str(self)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [dict(vars(each)) for each in self.probes]
        return {**vars(self), "probes": rows}

    def __str__(self) -> str:
        words = [
            f"{each.stage} {each.accuracy:.1%} ({each.low:.1%} to {each.high:.1%})" for each in self.probes
        ]
        return f"linear probes of {self.network}, {self.tested:,} images of {self.source}: {', '.join(words)}"


def probe_stages(
    network: nn.Module,
    train: ImageSet,
    test: ImageSet,
    preprocess: Preprocess,
    *,
    stages: Sequence[str] | None = None,
    grid: int = 2,
    regularization: float = 1.0,
    hardware: Hardware | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LinearProbes:
    """Fit a linear classifier on what each stage gives for `train`, and measure it on `test`.

    After Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes": a stage from which
    classes can be read off by one linear layer has untangled them. Maps are averaged over a `grid`×`grid` of cells,
    vectors are brought to mean 0 and spread 1, and scikit-learn's logistic regression is fitted with an L2 penalty of
    1 / `regularization`.

    Args:
        stages: pixels, features, embed, logits or names of modules; by default pixels, the last layer of each map size,
            and logits.
        progress: called with (stage, stages done, in all).

    Raises InputError where `train` has only one class, ConfigError for a grid below 1.
    """
    if grid < 1 or not regularization > 0:
        raise ConfigError(f"grid is {grid}, regularization {regularization}; allowed: 1 or more, above 0")
    if len(set(train.labels.tolist())) < 2:
        raise InputError(f"{train.source} shows one class only; a probe needs two or more to tell apart")
    hardware = hardware_for(network, hardware)
    chosen = list(stages) if stages is not None else _usual_stages(network, train, preprocess)
    found = []
    for done, stage in enumerate(chosen):
        if progress is not None:
            progress(stage, done, len(chosen))
        fit_on, ask = (_vectors(network, part, preprocess, stage, grid, hardware) for part in (train, test))
        found.append(_probe(stage, fit_on, train.labels.numpy(), ask, test.labels.numpy(), regularization))
    return LinearProbes(tuple(found), type(network).__name__, test.source, len(train), len(test))


def _usual_stages(network: nn.Module, images: ImageSet, preprocess: Preprocess) -> list[str]:
    first = preprocess(_first(images, preprocess))
    calls = find_calls(network, one_image(network, first))
    return ["pixels", *dict.fromkeys(call.path for call in stages_of(calls)), "logits"]


def _first(images: ImageSet, preprocess: Preprocess) -> Tensor:
    if isinstance(images.images, Tensor):
        return images.images[:1]
    return preprocess.store(images.images.open(0))[None]


def _vectors(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    stage: str,
    grid: int,
    hardware: Hardware,
) -> NDArray[np.float64]:
    part = stage_of(network, stage)

    def answer(batch: Tensor) -> Tensor:
        given: Tensor = part(batch)
        if stage != "pixels" and given.ndim == 4:
            cells = min(grid, given.shape[2]), min(grid, given.shape[3])
            given = F.adaptive_avg_pool2d(given.float(), cells)
        return given.flatten(1)

    return compute_vectors(answer, network, images, preprocess, hardware).double().numpy()


def _probe(
    stage: str,
    fit_on: NDArray[np.float64],
    labels: NDArray[np.int64],
    ask: NDArray[np.float64],
    true: NDArray[np.int64],
    regularization: float,
) -> StageProbe:
    from sklearn.linear_model import LogisticRegression

    mean, spread = fit_on.mean(0), fit_on.std(0)
    spread[spread == 0] = 1.0
    fit_on, ask = (fit_on - mean) / spread, (ask - mean) / spread
    model = LogisticRegression(C=regularization, max_iter=1000, tol=1e-3).fit(fit_on, labels)
    hits = int((model.predict(ask) == true).sum())
    low, high = wilson_interval(hits, len(true))
    fitted = float((model.predict(fit_on) == labels).mean())
    return StageProbe(stage, fit_on.shape[1], hits / len(true), low, high, fitted)
