"""Mixing matrices: 1×1 convolutions, which add up channels and look at no neighbors. O channels out, C in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from convnets.errors import InputError, UnknownNameError
from convnets.evaluation.plots.drawing import INK
from convnets.explanation.pictures.colors import scale_of
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.shown import Shown

__all__ = ["MixingMatrix", "mixing_matrices"]


@dataclass(frozen=True, eq=False)
class MixingMatrix(Shown):
    """The weights of one 1×1 convolution: row o says of which channels channel o is made."""

    layer: str
    weights: NDArray[np.float64]
    """O×C; zeros between groups."""

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the singular values' shares (Roy & Vetterli 2007): about how many mixtures differ."""
        values = np.linalg.svd(self.weights, compute_uv=False)
        if not values.sum():
            return 0.0
        shares = values[values > 0] / values.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    def figure(self) -> Figure:
        """A heat map, blue below zero and red above."""
        rows, columns = self.weights.shape
        longest = max(rows, columns)
        figure = Figure(
            figsize=(2.2 + 5.2 * columns / longest, 1.6 + max(1.2, 5.2 * rows / longest)),
            layout="constrained",
        )
        axes = figure.subplots()
        limit = scale_of(np.append(-self.weights.ravel(), self.weights.ravel())).high or 1.0
        shown = axes.imshow(self.weights, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_title(
            f"{self.layer}: {columns} to {rows}",
            loc="left",
            fontsize=11,
            fontweight="bold",
            color=INK,
            pad=10,
        )
        axes.set_xlabel("channel in", fontsize=9, color=INK)
        axes.set_ylabel("channel out", fontsize=9, color=INK)
        axes.tick_params(colors=INK, labelsize=8, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
        bar.ax.tick_params(colors=INK, labelsize=8, length=0)
        bar.outline.set_visible(False)
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        words = (
            f"Of {min(self.weights.shape)} mixtures about {self.effective_rank:.1f} differ (effective rank)."
        )
        return write_figure(path, self.figure(), f"Mixing matrix of {self.layer}", words)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "layer": self.layer,
            "weights": self.weights.tolist(),
            "effective_rank": self.effective_rank,
        }


def mixing_matrices(network: nn.Module, layer: str | None = None) -> tuple[MixingMatrix, ...]:
    """The 1×1 convolutions of `network`, or the one called `layer`, as matrices (Lin, Chen & Yan 2013, "Network in
    network").

    Raises UnknownNameError for another layer, InputError where there is none.

    >>> found = mixing_matrices(nn.Sequential(nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(4, 2, 3)))
    >>> found[0].layer, found[0].weights.shape, float(abs(found[0].weights[0, 3:]).sum())
    ('0', (4, 6), 0.0)
    """
    known = {
        name: each
        for name, each in network.named_modules()
        if isinstance(each, nn.Conv2d) and set(each.kernel_size) == {1}
    }
    if not known:
        raise InputError(
            f"{type(network).__name__} has no 1×1 convolution; nin, googlenet and resnet50 have them"
        )
    if layer is not None and layer not in known:
        raise UnknownNameError("1×1 convolution", layer, known)
    chosen = known if layer is None else {layer: known[layer]}
    return tuple(MixingMatrix(name, _matrix(each)) for name, each in chosen.items())


def _matrix(convolution: nn.Conv2d) -> NDArray[np.float64]:
    weights = convolution.weight.detach().double().cpu().numpy()[:, :, 0, 0]
    groups, rows, columns = convolution.groups, len(weights) // convolution.groups, weights.shape[1]
    matrix = np.zeros((len(weights), columns * groups))
    for group in range(groups):
        own = slice(group * rows, (group + 1) * rows)
        matrix[own, group * columns : (group + 1) * columns] = weights[own]
    return matrix
