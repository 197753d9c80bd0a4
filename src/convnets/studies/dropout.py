"""Dropout's expectation: what it leaves as it is in the mean, and the variance that it adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.core.seeds import generator_for
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, ORANGE, style_axes
from convnets.layers import dropout as drop
from convnets.studies.study import Study

__all__ = ["DropoutStudy", "dropout"]


@dataclass(frozen=True, repr=False)
class DropoutStudy(Study):
    """Mean and variance of a value of 1 behind dropout, by probability."""

    probabilities: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    expected_variances: NDArray[np.float64]
    """p / (1 − p)."""
    draws: int

    title = "Dropout of a value of 1"

    def figure(self) -> Figure:
        """Mean at the left, variance at the right, over the probability."""
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        style_axes(left, "The mean stays", "probability p of a zero", "mean")
        style_axes(right, "The variance grows", "probability p of a zero", "variance")
        left.axhline(1, color=ORANGE)
        left.plot(self.probabilities, self.means, "o", color=BLUE)
        left.set_ylim(0, 2)
        right.plot(self.probabilities, self.expected_variances, color=ORANGE, label="p / (1 − p)")
        right.plot(self.probabilities, self.variances, "o", color=BLUE, label="measured")
        right.legend(frameon=False, fontsize=9)
        return figure

    def __str__(self) -> str:
        columns = (self.probabilities, self.means, self.variances, self.expected_variances)
        rows = [tuple(f"{value:.3f}" for value in row) for row in zip(*columns, strict=True)]
        return aligned(("p", "mean", "variance", "p / (1 − p)"), rows, right=(0, 1, 2, 3))


def dropout(*, draws: int = 100_000, seed: int = 0) -> DropoutStudy:
    """Draw `draws` masks at each probability from 0.1 to 0.9.

    y = m/(1 − p) with P(m = 1) = 1 − p has E[y] = 1 and Var[y] = p/(1 − p). Srivastava et al. 2014. Raises
    ConfigError for fewer than 2 draws.
    """
    if draws < 2:
        raise ConfigError(f"draws is {draws}; allowed: 2 or more")
    probabilities = np.linspace(0.1, 0.9, 9)
    ones = torch.ones(draws, dtype=torch.float64)
    kept = [
        drop(ones, float(p), generator_for(seed, "dropout", i)).numpy() for i, p in enumerate(probabilities)
    ]
    means, variances = np.array([each.mean() for each in kept]), np.array([each.var() for each in kept])
    return DropoutStudy(probabilities, means, variances, probabilities / (1 - probabilities), draws)
