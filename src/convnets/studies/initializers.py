"""What starting weights do to a signal: its mean square behind every layer of a deep ReLU network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.core.seeds import generator_for
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import LINE_COLORS, style_axes
from convnets.layers.initialization.initializers import kaiming_normal_, normal_, xavier_normal_
from convnets.studies.study import Study

__all__ = ["InitializersStudy", "initializers"]

_RULES: dict[str, Callable[..., torch.Tensor]] = {
    "normal, 0.01": normal_,
    "xavier-normal": xavier_normal_,
    "kaiming-normal": kaiming_normal_,
}


@dataclass(frozen=True, repr=False)
class InitializersStudy(Study):
    """Mean squares by rule: one number behind each layer, mean over the seeds."""

    width: int
    measured: dict[str, NDArray[np.floating[Any]]]
    predicted: dict[str, NDArray[np.floating[Any]]]

    title = "Starting weights and the signal through ReLU layers"

    def figure(self) -> Figure:
        """Measured as points, predicted as lines, over the layers."""
        figure = Figure(figsize=(6.8, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, self.title, "layer", "mean square before ReLU")
        for (name, values), color in zip(self.measured.items(), LINE_COLORS, strict=False):
            layers = np.arange(1, len(values) + 1)
            axes.plot(layers, self.predicted[name], color=color, label=f"{name}: predicted")
            axes.plot(layers, values, "o", color=color, markersize=4, label=f"{name}: measured")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=8)
        return figure

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        sides = {"measured": self.measured, "predicted": self.predicted}
        lists = {side: {name: row.tolist() for name, row in rows.items()} for side, rows in sides.items()}
        return {"width": self.width, **lists}

    def __str__(self) -> str:
        rows = [
            (name, f"{row[-1]:.2e}", f"{self.predicted[name][-1]:.2e}") for name, row in self.measured.items()
        ]
        return aligned(("rule", "behind the last layer", "predicted"), rows, right=(1, 2))


def initializers(*, layers: int = 20, width: int = 256, seeds: int = 5, seed: int = 0) -> InitializersStudy:
    """Send 256 rows of normal numbers through `layers` square layers with ReLU between, without biases.

    ReLU leaves half of a symmetric signal's mean square, so each layer multiplies it by width · Var[w] / 2: 1 for
    Kaiming's weights, 1/2 for Xavier's (He et al. 2015, section 2.2). Raises ConfigError for sizes below 1.
    """
    if min(layers, width, seeds) < 1:
        raise ConfigError(f"layers is {layers}, width {width}, seeds {seeds}; allowed: 1 or more")
    variances = {"normal, 0.01": 1e-4, "xavier-normal": 1 / width, "kaiming-normal": 2 / width}
    measured, predicted = {}, {}
    for name, rule in _RULES.items():
        rows = np.zeros((seeds, layers))
        for row in range(seeds):
            generator = generator_for(seed, "initializers", name, row)
            h = torch.randn(256, width, generator=generator)
            for layer in range(layers):
                before = h if layer == 0 else h.relu()
                h = before @ rule(torch.empty(width, width), generator=generator).T
                rows[row, layer] = h.double().square().mean()
        measured[name] = rows.mean(0)
        gain = width * variances[name]
        predicted[name] = gain * (gain / 2) ** np.arange(layers)
    return InitializersStudy(width, measured, predicted)
