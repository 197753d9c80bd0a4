"""Double descent: test error rises until the features are as many as the examples, and then falls again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, ORANGE, style_axes
from convnets.studies.study import Study

__all__ = ["DoubleDescentStudy", "double_descent"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class DoubleDescentStudy(Study):
    """Errors by number of random features (rows) and seed (columns): mean squared error on one-hot digits."""

    widths: NDArray[np.int64]
    train_errors: _Floats
    test_errors: _Floats
    examples: int

    title = "Double descent on scikit-learn's digits"

    def figure(self) -> Figure:
        """Both errors over the width: the median of the seeds, and all of them between lowest and highest."""
        figure = Figure(figsize=(6.8, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, self.title, "random features", "mean squared error")
        for errors, color, name in (
            (self.test_errors, BLUE, "test"),
            (self.train_errors, ORANGE, "training"),
        ):
            axes.fill_between(self.widths, errors.min(1), errors.max(1), color=color, alpha=0.2, linewidth=0)
            axes.plot(self.widths, np.median(errors, 1), "o-", color=color, markersize=3, label=name)
        axes.axvline(self.examples, color="#57606a", linestyle="--", linewidth=1, label="as many as examples")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(bottom=1e-3)
        axes.legend(frameon=False, fontsize=9)
        return figure

    def __str__(self) -> str:
        columns = (self.widths, np.median(self.train_errors, 1), np.median(self.test_errors, 1))
        rows = [(str(w), f"{a:.4f}", f"{b:.4f}") for w, a, b in zip(*columns, strict=True)]
        return aligned(("features", "training error", "test error"), rows, right=(0, 1, 2))


def double_descent(*, examples: int = 200, seeds: int = 5, seed: int = 0) -> DoubleDescentStudy:
    """Least squares of smallest norm on random ReLU features of `examples` digits; the other digits are the test.

    Only the last layer is learned, in closed form, so no training hides the effect. Belkin, Hsu, Ma & Mandal 2019,
    "Reconciling modern machine-learning practice and the classical bias–variance trade-off". Raises ConfigError for
    fewer than 20 or more than 1000 examples, or no seed.
    """
    if not 20 <= examples <= 1000 or seeds < 1:
        raise ConfigError(f"examples is {examples}, seeds {seeds}; allowed: 20 to 1000, and 1 or more")
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    x, y = (x - x.mean()) / x.std(), np.eye(10)[labels]
    shares = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10)
    widths = np.array([round(share * examples) for share in shares])
    errors = np.zeros((2, len(widths), seeds))
    for column in range(seeds):
        rng = np.random.default_rng([seed, column])
        order = rng.permutation(len(x))
        weights = rng.normal(0, 1 / np.sqrt(x.shape[1]), (x.shape[1], widths[-1]))
        hidden = np.maximum(x @ weights, 0)
        for row, width in enumerate(widths):
            train, test = order[:examples], order[examples:]
            solution = np.linalg.lstsq(hidden[train, :width], y[train], rcond=None)[0]
            for kind, part in enumerate((train, test)):
                errors[kind, row, column] = ((hidden[part, :width] @ solution - y[part]) ** 2).mean()
    return DoubleDescentStudy(widths, errors[0], errors[1], examples)
