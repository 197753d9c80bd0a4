"""Taylor's view of activations: what a small signal meets, and what twenty layers make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

from convnets.core.display.text_table import aligned
from convnets.core.seeds import generator_for
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import LINE_COLORS, style_axes
from convnets.layers.activations import rescaled_sigmoid
from convnets.studies.study import Study

__all__ = ["TaylorStudy", "taylor"]

_Floats = NDArray[np.float64]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "4σ(x) − 2": rescaled_sigmoid,
}
# value, slope and third coefficient of x³ at 0; the second is 0 for the smooth ones
SERIES: dict[str, tuple[float, float, float]] = {
    "sigmoid": (1 / 2, 1 / 4, -1 / 48),
    "tanh": (0.0, 1.0, -1 / 3),
    "4σ(x) − 2": (0.0, 1.0, -1 / 12),
}


@dataclass(frozen=True, repr=False)
class TaylorStudy(Study):
    """By activation: the curve and its cubic near 0, and the signal's variance and gradient behind each layer."""

    x: _Floats
    values: dict[str, _Floats]
    cubics: dict[str, _Floats]
    """c₀ + c₁x + c₃x³; ReLU has none, as it has no slope at 0."""
    variances: dict[str, _Floats]
    """Of the units over the examples, behind each layer: what tells examples apart; mean over units."""
    gradients: dict[str, _Floats]
    """Mean square of the gradient before each layer, where it is 1 behind the last one."""

    title = "Activations by their Taylor series"

    def figure(self) -> Figure:
        """Curves and cubics, then variance and gradient through the layers."""
        figure = Figure(figsize=(12.4, 3.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        style_axes(left, self.title, "x", "")
        style_axes(middle, "What tells examples apart", "layer", "variance over examples")
        style_axes(right, "What comes back", "layer", "mean square of the gradient")
        for (name, values), color in zip(self.values.items(), LINE_COLORS, strict=False):
            left.plot(self.x, values, color=color, label=name)
            if name in self.cubics:
                left.plot(self.x, self.cubics[name], "--", color=color, linewidth=1)
            layers = np.arange(1, len(self.variances[name]) + 1)
            middle.plot(layers, self.variances[name], "o-", color=color, markersize=3)
            right.plot(layers, self.gradients[name], "o-", color=color, markersize=3)
        left.set_ylim(-3, 3)
        left.legend(frameon=False, fontsize=9)
        for axes in (middle, right):
            axes.set_yscale("log")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return figure

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        named = ("values", "cubics", "variances", "gradients")
        lists = {key: {name: row.tolist() for name, row in getattr(self, key).items()} for key in named}
        return {"x": self.x.tolist(), **lists}

    def __str__(self) -> str:
        rows = []
        for name in self.values:
            start = [f"{value:.3f}" for value in SERIES.get(name, ())] or ["0.000", "0 or 1", "–"]
            rows.append((name, *start, f"{self.variances[name][-1]:.1e}", f"{self.gradients[name][0]:.1e}"))
        head = (
            "activation",
            "value at 0",
            "slope",
            "x³",
            "variance behind the last layer",
            "gradient at the first",
        )
        return aligned(head, rows, right=(1, 2, 3, 4, 5))


def taylor(*, layers: int = 20, width: int = 256, seed: int = 0) -> TaylorStudy:
    """Curves near 0, and 256 rows of normal numbers through `layers` square layers of Xavier's weights, and back.

    σ(x) = 1/2 + x/4 − x³/48 + …: each layer cuts variance and gradient to about a sixteenth and adds a constant.
    tanh(x) = x − x³/3 + … and 4σ(x) − 2 = x − x³/12 + … pass small signals as they are, the second for longer (Xu,
    Huang & Li 2016). ReLU has no series at 0 and halves the mean square. Raises ConfigError for sizes below 1.
    """
    if min(layers, width) < 1:
        raise ConfigError(f"layers is {layers}, width {width}; allowed: 1 or more")
    x = torch.linspace(-4, 4, 161, dtype=torch.float64)
    values = {name: function(x).numpy() for name, function in _ACTIVATIONS.items()}
    grid = x.numpy()
    cubics = {name: c0 + c1 * grid + c3 * grid**3 for name, (c0, c1, c3) in SERIES.items()}
    variances, gradients = {}, {}
    for name, function in _ACTIVATIONS.items():
        variances[name], gradients[name] = _through(function, layers, width, seed)
    return TaylorStudy(grid, values, cubics, variances, gradients)


def _through(
    function: Callable[[Tensor], Tensor], layers: int, width: int, seed: int
) -> tuple[_Floats, _Floats]:
    """Variance over the rows behind each layer, and mean square of the gradient before each; with the same weights."""
    h = torch.randn(256, width, generator=generator_for(seed, "taylor", "rows")).double().requires_grad_()
    inputs, variances = [], []
    for layer in range(layers):
        inputs.append(h)
        drawn = torch.randn(width, width, generator=generator_for(seed, "taylor", layer)).double()
        h = function(h @ drawn.T / width**0.5)
        variances.append(float(h.detach().var(0).mean()))
    sent = torch.randn(h.shape, generator=generator_for(seed, "taylor", "gradient")).double()
    back = torch.autograd.grad(h, inputs, sent / sent.square().mean().sqrt())
    return np.array(variances), np.array([float(each.square().mean()) for each in back])
