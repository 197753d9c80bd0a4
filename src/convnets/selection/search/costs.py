"""Costs that accuracy is weighed against: what a trial's network takes, measured or counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convnets.inspection.cost.summary import inspect
from convnets.training.runs.run import Run

__all__ = ["COSTS", "cost_of", "pareto_front"]


def _seconds(run: Run) -> float:
    return sum(row["seconds"] or 0.0 for row in run.metrics)


def _parameters(run: Run) -> float:
    return float(run.settings["network"]["parameters"])


def _macs(run: Run) -> float:
    model = run.load()
    side = model.preprocess.size
    return float(inspect(model.network, (model.preprocess.channels, side, side), training=False).macs)


COSTS: dict[str, Callable[[Run], float]] = {
    "seconds": _seconds,
    "macs": _macs,
    "parameters": _parameters,
}
"""By name: seconds of training, multiply-accumulates for one image, weights."""


def cost_of(run: Run, against: str) -> float:
    """What the run's network costs, in the unit of `against`."""
    return COSTS[against](run)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points (cost, accuracy) that no other beats in one without losing in the other, cheapest first.

    Of equal ones the first.

    >>> pareto_front([(1, 0.5), (2, 0.4), (3, 0.9), (3, 0.8)])
    [0, 2]
    """
    front, best = [], float("-inf")
    for place in sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1], at)):
        if points[place][1] > best:
            front.append(place)
            best = points[place][1]
    return front
