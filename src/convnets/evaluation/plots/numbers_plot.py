"""Predicted against true numbers, and what is left over: two plots, as SVG text."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from convnets.evaluation.numbers import NumbersEvaluation
from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes, svg_text

__all__ = ["numbers_figure", "numbers_svg"]

_MOST_POINTS = 2000


def numbers_figure(evaluation: NumbersEvaluation, place: int = 0) -> Figure:
    """Of the number at `place` predicted against true at the left, residuals over the prediction at the right.

    Of more than 2,000 rows every n-th is drawn.
    """
    step = -(-evaluation.rows // _MOST_POINTS)
    true, predicted = evaluation.true[::step, place], evaluation.predicted[::step, place]
    figure = Figure(figsize=(9.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    style_axes(left, "Predicted against true", "true", "predicted")
    style_axes(right, "What is left over", "predicted", "true − predicted")
    low, high = np.minimum(true, predicted).min(), np.maximum(true, predicted).max()
    left.plot([low, high], [low, high], color=INK, linestyle="--", linewidth=1)
    left.plot(true, predicted, ".", color=BLUE, markersize=4, alpha=0.6)
    right.axhline(0, color=INK, linestyle="--", linewidth=1)
    right.plot(predicted, true - predicted, ".", color=ORANGE, markersize=4, alpha=0.6)
    return figure


def numbers_svg(evaluation: NumbersEvaluation) -> dict[str, str]:
    """The plots of each number, by a heading that names it."""
    return {
        f"Predictions of {name}": svg_text(numbers_figure(evaluation, place), f"Predictions of {name}")
        for place, name in enumerate(evaluation.names)
    }
