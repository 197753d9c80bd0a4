"""Bias and variance by width: how far answers are from the truth on average, and how far from each other.

Each width is trained on several sets of images without a common one. N images, S sets, K classes; p_s are the
probabilities that the network of set s gives, p̄ their mean, y the one-hot label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from torch import Tensor

from convnets.core.display.text_table import aligned
from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, RunError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.models.catalogue import model_entry
from convnets.selection.curves.parts import open_parts
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.runs.run import ENDED
from convnets.training.train import train

__all__ = ["BiasVariance", "Decomposition", "bias_variance", "decompose"]


@dataclass(frozen=True)
class Decomposition:
    """Mean squared error of probabilities, Σ over classes, taken apart; mean over the images."""

    error: float
    """E ‖p_s − y‖² = bias + variance."""
    bias: float
    """Squared, without bias of its own from the few sets; the labels' noise is in it."""
    variance: float
    accuracy: float
    """Mean over the sets."""


@dataclass(frozen=True)
class BiasVariance:
    """By width, narrowest first."""

    network: str
    widths: tuple[float, ...]
    parameters: tuple[int, ...]
    found: tuple[Decomposition, ...]
    sets: int
    images: int
    """In each set."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [
            [
                f"{width:g}",
                f"{count:,}",
                *(f"{value:.4f}" for value in (own.accuracy, own.error, own.bias, own.variance)),
            ]
            for width, count, own in zip(self.widths, self.parameters, self.found, strict=True)
        ]
        head = ("width", "parameters", "validation", "error", "bias²", "variance")
        return f"{aligned(head, rows, right=range(6))}\n\n{self.sets} sets of {self.images:,} images each"

    def figure(self) -> Figure:
        """Error, bias and variance over the width."""
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, f"Bias and variance of {self.network}", "width", "squared error of probabilities")
        for name, color, words in (
            ("error", INK, "error"),
            ("bias", BLUE, "bias²"),
            ("variance", ORANGE, "variance"),
        ):
            values = [getattr(each, name) for each in self.found]
            axes.plot(self.widths, values, "o-", color=color, linewidth=2, markersize=4, label=words)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(self.widths))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK)
        return figure


def decompose(probabilities: Tensor, labels: Tensor) -> Decomposition:
    """Probabilities float S×N×K of S ≥ 2 networks, and labels int64 N.

    variance = Σ_s ‖p_s − p̄‖² / (S − 1), and bias what is left of the error: both unbiased (Yang et al., "Rethinking
    bias-variance trade-off for generalization of neural networks", 2020).

    >>> decompose(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([0]))
    Decomposition(error=1.0, bias=0.0, variance=1.0, accuracy=0.5)
    """
    p = probabilities.double()
    truth = torch.nn.functional.one_hot(labels, p.shape[2]).double()
    error = float((p - truth).square().sum(2).mean())
    variance = float((p - p.mean(0)).square().sum(2).sum(0).mean() / (len(p) - 1))
    right = (p.argmax(2) == labels).double().mean()
    return Decomposition(error, error - variance, variance, float(right))


def bias_variance(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    sets: int = 5,
    images: int | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    go_on: bool = False,
    listeners: Sequence[Listener] | None = None,
    progress: Progress | None = None,
) -> BiasVariance:
    """Train each width on each of `sets` disjoint sets of images, and take the validation error apart.

    The last weights of a run count, not the best, which the validation images would have chosen.

    Args:
        widths: factors on the network's channels, two or more.
        images: of each set; by default as many as there can be.

    Raises ConfigError for what is not allowed, RunError where a run was stopped: go on.
    """
    config = config or TrainConfig()
    if "width" not in model_entry(network).options:
        raise ConfigError(f"{network} has no width; allowed: mlp, lenet_bn, speednet")
    if len(set(widths)) < 2 or not all(each > 0 for each in widths):
        raise ConfigError(f"widths are {list(widths)}; allowed: two or more factors above 0")
    if sets < 2:
        raise ConfigError(f"sets is {sets}; allowed: 2 or more, for one says nothing of the variance")
    parts = open_parts(data, config, progress)
    own = parts.disjoint(sets, images, config.seed)
    path = Path(output) / (name or f"bias-variance-{network}-{parts.name}")
    found, parameters = [], []
    for width in sorted(set(map(float, widths))):
        answers = []
        for number, part in enumerate(own):
            run = train(
                network,
                Splits(part),
                replace(config, seed=config.seed + number, validation=0.0),
                arguments={"width": width},
                output=path,
                name=f"width{width:g}-set{number}",
                go_on=go_on,
                listeners=listeners,
                progress=progress,
            )
            if run.status not in ENDED:
                raise RunError(f"{run.path} was stopped ({run.status}); go on with --resume")
            model = run.load()
            answers.append(evaluate(model.network, parts.validation, model.preprocess).probabilities)
        parameters.append(int(run.settings["network"]["parameters"]))
        found.append(decompose(torch.stack(answers), parts.validation.labels))
    return BiasVariance(
        network, tuple(sorted(set(map(float, widths)))), tuple(parameters), tuple(found), sets, len(own[0])
    )
