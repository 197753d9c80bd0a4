"""Standings: what several methods reached, and which differences are more than chance.

A method is ranked above another only where all three hold: Holm's corrected p-value of the paired test is below 0.05,
the 95 % intervals of both means have no value in common, and a run of it is the better one in at least 0.75 of the
pairs.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from convnets.core.display.renderers import renderer
from convnets.errors import RunError, UsageError
from convnets.evaluation.numbers import SCORE_NAMES
from convnets.selection.comparing.groups import Group
from convnets.selection.statistics.holm import holm
from convnets.selection.statistics.intervals import (
    FEWEST_RESAMPLED,
    Interval,
    bootstrap_interval,
    corrected_interval,
    t_interval,
)
from convnets.selection.statistics.pairs import (
    BETTER,
    compare_folds,
    compare_seeds,
    probability_of_better,
    seeds_to_decide,
)

__all__ = ["PairOfMethods", "Standing", "Standings", "stand"]

_ALPHA = 0.05


@dataclass(frozen=True)
class Standing:
    """One method."""

    name: str
    count: int
    """Seeds or folds."""
    mean: float
    std: float
    interval: Interval
    """95 %: Student's t over seeds, corrected for shared images over folds."""
    bootstrap: Interval | None
    """Beside it; None over folds, which are not independent, and for fewer than 8 seeds."""


@dataclass(frozen=True)
class PairOfMethods:
    """Two methods: the first minus the second, over the seeds or folds that both have."""

    first: str
    second: str
    pairs: int
    difference: Interval
    p_value: float
    holm: float
    """The p-value corrected for the number of comparisons."""
    better: Interval
    """Chance that a run of the first beats one of the second."""
    overlap: bool
    """Whether the intervals of both means have a value in common."""
    seeds_needed: int | None
    """Seeds that would decide such a difference with power 0.8; None where 1,000 would not, and for folds."""

    @property
    def winner(self) -> str | None:
        """The better one, where the difference is decided."""
        if self.holm >= _ALPHA or self.overlap:
            return None
        if self.better.estimate >= BETTER:
            return self.first
        return self.second if self.better.estimate <= 1 - BETTER else None

    def verdict(self) -> str:
        """In words."""
        if self.winner is not None:
            loser = self.second if self.winner == self.first else self.first
            return f"{self.winner} is better than {loser}"
        if self.seeds_needed is None:
            return (
                "not decided, and 1,000 seeds would not" if self.difference.method == "t" else "not decided"
            )
        # a difference that is found significant but not ranked needs more than it has, whatever its power says
        needed = max(self.seeds_needed, self.pairs + 1)
        return f"not decided; about {needed} seeds of each would, if the difference is what it seems"


@dataclass(frozen=True)
class Standings:
    """All methods, and every pair of them."""

    metric: str
    methods: tuple[Standing, ...]
    """In the order that they were given; no ranking."""
    pairs: tuple[PairOfMethods, ...]
    score: str = "accuracy"
    """Of `SCORE_NAMES`, what is compared."""

    @property
    def best(self) -> str | None:
        """The method that is better than every other one, where that is decided."""
        for method in self.methods:
            own = [pair for pair in self.pairs if method.name in (pair.first, pair.second)]
            if own and all(pair.winner == method.name for pair in own):
                return method.name
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "metric": self.metric,
            "score": self.score,
            "best": self.best,
            "methods": [
                {
                    "name": each.name,
                    "count": each.count,
                    "mean": each.mean,
                    "std": each.std,
                    "interval": each.interval.to_dict(),
                    "bootstrap": None if each.bootstrap is None else each.bootstrap.to_dict(),
                }
                for each in self.methods
            ],
            "pairs": [
                {
                    "first": each.first,
                    "second": each.second,
                    "pairs": each.pairs,
                    "difference": each.difference.to_dict(),
                    "p_value": each.p_value,
                    "holm": each.holm,
                    "probability_of_better": each.better.to_dict(),
                    "intervals_overlap": each.overlap,
                    "winner": each.winner,
                    "seeds_needed": each.seeds_needed,
                    "verdict": each.verdict(),
                }
                for each in self.pairs
            ],
        }

    def __str__(self) -> str:
        return str(renderer(self, "text")(self))


def stand(groups: Sequence[Group], metric: str = "validation") -> Standings:
    """Set groups beside each other. Two or more seeds (or folds) of each; pairs need the same seeds or folds.

    Raises RunError where there are too few, or where they were measured on different images.

    >>> a = Group("a", {0: 0.90, 1: 0.91, 2: 0.92})
    >>> b = Group("b", {0: 0.80, 1: 0.81, 2: 0.83})
    >>> stand([a, b]).best
    'a'
    """
    if not groups:
        raise UsageError("no runs to compare; give two folders that `convnets replicate` made")
    if len({group.name for group in groups}) < len(groups):
        groups = [replace(group, name=f"{group.name} ({place})") for place, group in enumerate(groups, 1)]
    for group in groups:
        if group.score != groups[0].score:
            mine, theirs = (SCORE_NAMES[each.score] for each in (groups[0], group))
            raise RunError(
                f"{groups[0].name} has {mine} and {group.name} {theirs}; compare runs of one kind of target"
            )
    methods = [_standing(group) for group in groups]
    by_name = {method.name: method for method in methods}
    two_by_two = list(combinations(groups, 2))
    pairs = [_pair(*two, by_name, len(two_by_two)) for two in two_by_two]
    corrected = holm([pair.p_value for pair in pairs])
    return Standings(
        metric,
        tuple(methods),
        tuple(replace(pair, holm=value) for pair, value in zip(pairs, corrected, strict=True)),
        groups[0].score,
    )


def _standing(group: Group) -> Standing:
    values = list(group.values.values())
    if len(values) < 2:
        raise RunError(
            f"{group.name} has {len(values)} ended run{'s' * (len(values) != 1)}; a spread needs 2: "
            "convnets replicate … --seeds 5"
        )
    folds = group.test_share is not None
    interval = (
        t_interval(values, ends=group.ends)
        if group.test_share is None
        else corrected_interval(values, group.test_share, ends=group.ends)
    )
    resampled = None if folds or len(values) < FEWEST_RESAMPLED else bootstrap_interval(values)
    return Standing(
        group.name, len(values), statistics.fmean(values), statistics.stdev(values), interval, resampled
    )


def _pair(first: Group, second: Group, methods: dict[str, Standing], comparisons: int) -> PairOfMethods:
    if first.pairing != second.pairing:
        raise RunError(
            f"{first.name} and {second.name} were measured on different images or folds; nothing can be paired"
        )
    shared = [key for key in first.values if key in second.values]
    if len(shared) < 2:
        raise RunError(
            f"{first.name} and {second.name} have {len(shared)} seeds in common; pairs need 2 or more"
        )
    one, two = [first.values[key] for key in shared], [second.values[key] for key in shared]
    needed: int | None
    if first.test_share is None:
        tested = compare_seeds(one, two)
        needed = seeds_to_decide(one, two, comparisons=comparisons)
    else:
        tested, needed = compare_folds(one, two, first.test_share), None
    overlap = methods[first.name].interval.overlaps(methods[second.name].interval)
    return PairOfMethods(
        first.name,
        second.name,
        len(shared),
        tested.difference,
        tested.p_value,
        tested.p_value,
        probability_of_better(one, two),
        overlap,
        needed,
    )
