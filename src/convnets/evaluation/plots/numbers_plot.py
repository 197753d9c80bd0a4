"""Predicted against true numbers, and what is left over: two plots, as SVG text."""

from __future__ import annotations

import numpy as np

from convnets.evaluation.numbers import NumbersEvaluation
from convnets.evaluation.plots.axis import Axis
from convnets.evaluation.plots.chart import Panel, chart_svg
from convnets.evaluation.plots.colors import BLUE, INK, LINE_COLORS, ORANGE

__all__ = ["numbers_svg"]

_MOST_POINTS = 2000
_MOST_INTERVALS = 200


def numbers_svg(evaluation: NumbersEvaluation) -> dict[str, str]:
    """The plots of each number, by a heading that names it.

    Predicted against true at the left, residuals over the prediction at the right. Of more than 2,000 rows every n-th
    is drawn. Of quantiles the dots are the one nearest to the median, and of at most 200 rows the interval from the
    first quantile to the last is a line, which holds the true number where it crosses the diagonal.
    """
    return {
        f"Predictions of {name}": _plots(evaluation, place) for place, name in enumerate(evaluation.names)
    }


def _plots(evaluation: NumbersEvaluation, place: int) -> str:
    step = -(-evaluation.rows // _MOST_POINTS)
    true, predicted = (
        np.asarray(values[::step, place], np.float64).tolist()
        for values in (evaluation.true, evaluation.predicted)
    )
    left = Panel("Predicted against true", Axis("true"), Axis("predicted"))
    right = Panel("Residuals", Axis("predicted"), Axis("true − predicted"))
    ends = min(true + predicted), max(true + predicted)
    left.line([(end, end) for end in ends], INK, dash="4 3", width=1, markers=False)
    if evaluation.bounds is not None and len(evaluation.quantiles) > 1:
        every = -(-evaluation.rows // _MOST_INTERVALS)
        bounds = np.asarray(evaluation.bounds[::every, place], np.float64).tolist()
        for at, (low, *_, high) in zip(evaluation.true[::every, place].tolist(), bounds, strict=True):
            left.line([(at, low), (at, high)], LINE_COLORS[5], width=1, markers=False)
    left.dots(list(zip(true, predicted, strict=True)), BLUE, opacity=0.6)
    right.line([(min(predicted), 0.0), (max(predicted), 0.0)], INK, dash="4 3", width=1, markers=False)
    residuals = [a - b for a, b in zip(true, predicted, strict=True)]
    right.dots(list(zip(predicted, residuals, strict=True)), ORANGE, opacity=0.6)
    return chart_svg(f"Predictions of {evaluation.names[place]}", [[left], [right]], 662, 288)
