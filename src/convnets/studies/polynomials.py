"""Capacity: polynomials of growing degree, from too plain to too free, on few noisy points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.polynomial import Legendre
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, INK, LINE_COLORS, ORANGE, style_axes
from convnets.studies.study import Study

__all__ = ["PolynomialsStudy", "polynomials"]

_Floats = NDArray[np.float64]
_DRAWN = (1, 3, 14)


@dataclass(frozen=True, repr=False)
class PolynomialsStudy(Study):
    """Mean squared errors by degree (rows) and seed (columns)."""

    degrees: NDArray[np.int64]
    train_errors: _Floats
    test_errors: _Floats
    noise: float
    """Variance of the noise: no curve can have a smaller error on new points but by chance."""
    points: _Floats
    """x and y of the first seed's training points."""
    curves: _Floats
    """Curves × 200: the fits of degrees 1, 3 and 14 to them, from −1 to 1."""

    title = "Capacity by polynomial degree"

    def figure(self) -> Figure:
        """Three fits at the left, both errors over the degree at the right."""
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        style_axes(left, "Too plain, right, too free", "x", "y")
        style_axes(right, self.title, "degree", "mean squared error")
        left.plot(*self.points, "o", color=INK, markersize=4)
        for curve, degree, color in zip(self.curves, _DRAWN, LINE_COLORS, strict=False):
            left.plot(np.linspace(-1, 1, self.curves.shape[1]), curve, color=color, label=f"degree {degree}")
        low, high = self.points[1].min(), self.points[1].max()
        left.set_ylim(low - 0.5 * (high - low), high + 0.5 * (high - low))
        for errors, color, name in (
            (self.test_errors, BLUE, "test"),
            (self.train_errors, ORANGE, "training"),
        ):
            right.plot(self.degrees, np.median(errors, 1), "o-", color=color, markersize=3, label=name)
        right.axhline(self.noise, color=INK, linestyle="--", linewidth=1, label="noise")
        right.set_yscale("log")
        for axes in (left, right):
            axes.legend(frameon=False, fontsize=9)
        return figure

    def __str__(self) -> str:
        columns = (self.degrees, np.median(self.train_errors, 1), np.median(self.test_errors, 1))
        rows = [(str(d), f"{a:.4f}", f"{b:.4g}") for d, a, b in zip(*columns, strict=True)]
        return aligned(("degree", "training error", "test error"), rows, right=(0, 1, 2))


def polynomials(*, points: int = 20, seeds: int = 50, noise: float = 0.1, seed: int = 0) -> PolynomialsStudy:
    """Least squares of degree 0 to 14 on `points` points of a cubic with normal noise; the median over `seeds` sets.

    y = 5 + 1.2x − 3.4x²/2! + 5.6x³/3! is the book's polynomial, on x from −1 to 1; errors are measured against 1,000
    new points. A basis of Legendre polynomials keeps high degrees exact. Raises ConfigError for fewer than 16 points,
    no seed, or noise that is not above 0.
    """
    if points < 16 or seeds < 1 or noise <= 0:
        raise ConfigError(
            f"points is {points}, seeds {seeds}, noise {noise}; allowed: 16 or more, 1 or more, above 0"
        )
    degrees = np.arange(15)
    errors = np.zeros((2, len(degrees), seeds))
    shown, curves = np.zeros((2, points)), np.zeros((len(_DRAWN), 200))
    for column in range(seeds):
        rng = np.random.default_rng([seed, column])
        x, new = rng.uniform(-1, 1, points), rng.uniform(-1, 1, 1000)
        y, true = (_book(each) + rng.normal(0, noise, len(each)) for each in (x, new))
        for row, degree in enumerate(degrees.tolist()):
            fitted = Legendre.fit(x, y, degree, domain=[-1, 1])
            errors[0, row, column] = ((fitted(x) - y) ** 2).mean()
            errors[1, row, column] = ((fitted(new) - true) ** 2).mean()
            if column == 0 and degree in _DRAWN:
                curves[_DRAWN.index(degree)] = fitted(np.linspace(-1, 1, 200))
        if column == 0:
            shown = np.stack([x, y])
    return PolynomialsStudy(degrees, errors[0], errors[1], noise**2, shown, curves)


def _book(x: _Floats) -> _Floats:
    return 5 + 1.2 * x - 3.4 * x**2 / 2 + 5.6 * x**3 / 6
