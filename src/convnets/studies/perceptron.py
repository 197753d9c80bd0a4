"""The perceptron by its own rule, and how many mistakes it can make at most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import ConfigError, InputError
from convnets.evaluation.plots.drawing import BLUE, ORANGE, style_axes
from convnets.studies.study import Study

__all__ = ["PerceptronStudy", "learn_perceptron", "perceptron"]

_Floats = NDArray[np.float64]


def learn_perceptron(x: _Floats, y: _Floats, *, most_epochs: int = 1000) -> tuple[_Floats, int, bool]:
    """w ← w + y·x at every mistake (y·(w·x) ≤ 0), row by row, until none is left.

    x is N×D, y is N of −1 and 1. Returns w (D), the mistakes, and whether the last pass made none. Rosenblatt 1958,
    "The perceptron: a probabilistic model". Raises InputError for other labels or lengths.

    >>> learn_perceptron(np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([1.0, -1.0]))[1:]
    (2, True)
    """
    if x.ndim != 2 or y.shape != (len(x),) or not np.isin(y, (-1, 1)).all():
        raise InputError(f"x has shape {x.shape}, y {y.shape}; allowed: N×D and N, with labels −1 and 1")
    w, mistakes = np.zeros(x.shape[1]), 0
    for _ in range(most_epochs):
        before = mistakes
        for row, label in zip(x, y, strict=True):
            if label * (w @ row) <= 0:
                w += label * row
                mistakes += 1
        if mistakes == before:
            return w, mistakes, True
    return w, mistakes, False


@dataclass(frozen=True, repr=False)
class PerceptronStudy(Study):
    """Mistakes against their bound at several margins: one row per margin, one column per seed."""

    margins: _Floats
    mistakes: NDArray[np.int64]
    bounds: _Floats
    """(R/γ)² with the longest example R of each set and its own margin γ from the line that made it."""

    title = "Mistakes of the perceptron and their bound"

    def figure(self) -> Figure:
        """Mistakes and bound over the margin, both axes logarithmic."""
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, self.title, "margin γ", "mistakes until none is left")
        for seed in range(self.mistakes.shape[1]):
            label = "measured, one point a seed" if seed == 0 else None
            axes.plot(self.margins, self.mistakes[:, seed], "o", color=BLUE, alpha=0.6, label=label)
        axes.plot(self.margins, self.bounds.mean(1), color=ORANGE, label="bound (R/γ)², mean")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=9)
        return figure

    def __str__(self) -> str:
        rows = [
            (f"{margin:g}", f"{made.mean():.1f}", str(made.max()), f"{bound.min():.0f}")
            for margin, made, bound in zip(self.margins, self.mistakes, self.bounds, strict=True)
        ]
        return aligned(("margin", "mistakes, mean", "most", "lowest bound"), rows, right=(0, 1, 2, 3))


def perceptron(*, points: int = 200, seeds: int = 10, seed: int = 0) -> PerceptronStudy:
    """Separable points in a square, at margins from 0.4 to 0.01 from a line through 0, learned by the perceptron.

    Novikoff 1962, "On convergence proofs on perceptrons": if some unit vector u has y·(u·x) ≥ γ for all examples,
    and no example is longer than R, the rule makes at most (R/γ)² mistakes, however many examples there are.
    Raises ConfigError for fewer than 1 point or seed.
    """
    if points < 1 or seeds < 1:
        raise ConfigError(f"points is {points}, seeds {seeds}; allowed: 1 or more")
    margins = np.array([0.4, 0.2, 0.1, 0.05, 0.02, 0.01])
    mistakes = np.zeros((len(margins), seeds), dtype=np.int64)
    bounds = np.zeros((len(margins), seeds))
    for column in range(seeds):
        for row, margin in enumerate(margins):
            rng = np.random.default_rng([seed, column, row])
            angle = rng.uniform(0, 2 * np.pi)
            u = np.array([np.cos(angle), np.sin(angle)])
            drawn = rng.uniform(-1, 1, (50 * points, 2))
            x = drawn[np.abs(drawn @ u) >= margin][:points]
            y = np.sign(x @ u)
            _, mistakes[row, column], _ = learn_perceptron(x, y, most_epochs=100_000)
            bounds[row, column] = (x**2).sum(1).max() / np.abs(x @ u).min() ** 2
    return PerceptronStudy(margins, mistakes, bounds)
