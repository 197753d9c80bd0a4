"""Pairs: two methods measured on the same seeds, the same folds or the same images."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

from convnets.errors import InputError
from convnets.evaluation.intervals import wilson_interval
from convnets.selection.statistics.intervals import (
    Interval,
    as_numbers,
    corrected_interval,
    t_interval,
    t_quantile,
)

__all__ = [
    "BETTER",
    "McNemar",
    "PairedDifference",
    "compare_folds",
    "compare_seeds",
    "mcnemar",
    "probability_of_better",
    "seeds_to_decide",
]

BETTER = 0.75
"""Chance of being the better one from which on a difference is worth having (Bouthillier et al. 2021)."""
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class PairedDifference:
    """First minus second, pair by pair."""

    difference: Interval
    p_value: float
    """Two-sided: how often chance alone would give such a difference."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"difference": self.difference.to_dict(), "p_value": self.p_value}


@dataclass(frozen=True)
class McNemar:
    """The images on which two networks differ."""

    only_first: int
    """Images that the first names right and the second wrong."""
    only_second: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare_seeds(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> PairedDifference:
    """The paired t-test: value i of both comes from seed i. Raises InputError for unequal numbers of values.

    >>> round(compare_seeds([0.91, 0.92, 0.93], [0.90, 0.90, 0.92]).p_value, 3)
    0.057
    """
    found = t_interval(_differences(first, second).tolist(), level)
    return _tested(found, len(first))


def compare_folds(
    first: Sequence[float], second: Sequence[float], test_share: float, level: float = 0.95
) -> PairedDifference:
    """The corrected resampled t-test of Nadeau & Bengio 2003: value i of both comes from fold i.

    >>> first, second = [0.91, 0.92, 0.93, 0.92, 0.91], [0.90, 0.90, 0.92, 0.90, 0.90]
    >>> compare_folds(first, second, 1 / 4).p_value > compare_seeds(first, second).p_value
    True
    """
    found = corrected_interval(_differences(first, second).tolist(), test_share, level)
    return _tested(found, len(first))


def mcnemar(first_right: Sequence[bool], second_right: Sequence[bool]) -> McNemar:
    """The exact test on the images of which one network alone is right: a fair coin for each of them.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; two-sided, exact
    binomial. It speaks of these two trained networks, not of the methods that made them.

    >>> mcnemar([True] * 10 + [False], [False] * 9 + [True, True]).p_value
    0.021484375
    """
    one, two = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if one.shape != two.shape or one.ndim != 1 or not len(one):
        raise InputError(f"{len(one)} and {len(two)} images; allowed: the same images for both")
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    if only_first + only_second == 0:
        return McNemar(0, 0, 1.0)
    from scipy import stats  # seconds that only this test and the one below need

    test = stats.binomtest(only_first, only_first + only_second, 0.5)
    return McNemar(only_first, only_second, float(test.pvalue))


def probability_of_better(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """The chance that a run of the first beats one of the second of the same seed; ties count a half.

    Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", section 4: worth having from
    0.75 on. The interval is Wilson's for the share of seeds, which holds its level for few seeds better than the
    resampling there.

    >>> probability_of_better([3, 2, 4, 5], [1, 2, 3, 4]).estimate
    0.875
    """
    differences = _differences(first, second)
    wins = float((differences > 0).sum() + 0.5 * (differences == 0).sum())
    low, _ = wilson_interval(math.floor(wins), len(differences), level)
    _, high = wilson_interval(math.ceil(wins), len(differences), level)
    return Interval(wins / len(differences), low, high, level, "Wilson")


def seeds_to_decide(
    first: Sequence[float],
    second: Sequence[float],
    level: float = 0.95,
    power: float = 0.8,
    comparisons: int = 1,
) -> int | None:
    """Seeds with which a difference such as this one would be found in `power` of all experiments.

    The smallest n for which the paired t-test (by its noncentral t distribution) has that power and the intervals of
    both means would part. None where more than 1,000 would be needed: the two are as good as equal. Of several
    `comparisons` it is the number for the strictest of Holm's steps, which is Bonferroni's.

    >>> seeds_to_decide([0.91, 0.92, 0.93], [0.90, 0.92, 0.91])
    18
    """
    differences = _differences(first, second)
    gap, spread = abs(float(differences.mean())), float(differences.std(ddof=1))
    width = float(np.std(first, ddof=1) + np.std(second, ddof=1))
    if gap == 0:
        return None

    def decides(count: int) -> bool:
        of_means, quantile = (
            t_quantile(1 - (1 - level) / (2 * many), count - 1) for many in (1, comparisons)
        )
        if of_means * width / math.sqrt(count) >= gap:  # the intervals overlap
            return False
        return spread == 0 or _power(gap / spread * math.sqrt(count), count - 1, quantile) >= power

    found = bisect_left(range(2, _MOST_SEEDS + 1), True, key=decides) + 2  # more seeds decide what fewer do
    return None if found > _MOST_SEEDS else found


def _power(shift: float, freedom: int, quantile: float) -> float:
    if shift > quantile + 8:  # the power is 1, and SciPy's noncentral t gives NaN far out
        return 1.0
    from scipy import stats

    # of the other tail nothing is left where the power is worth having
    return float(stats.nct.sf(quantile, freedom, shift))


def _differences(first: Sequence[float], second: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    if len(first) != len(second):
        raise InputError(f"{len(first)} and {len(second)} values; allowed: pairs, one of each")
    return as_numbers(first) - as_numbers(second)


def _tested(found: Interval, count: int) -> PairedDifference:
    """With the p-value of no difference: the interval's half width is t times the standard error."""
    half = (found.high - found.low) / 2
    if half == 0:
        return PairedDifference(found, 1.0 if found.estimate == 0 else 0.0)
    error = half / t_quantile((1 + found.level) / 2, count - 1)
    return PairedDifference(found, float(2 * special.stdtr(count - 1, -abs(found.estimate) / error)))
