"""Intervals of a mean that was measured a few times: by Student's t, by resampling, and over folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

from convnets.errors import InputError

__all__ = [
    "BELOW_1",
    "FEWEST_RESAMPLED",
    "FROM_0",
    "SHARES",
    "UNBOUNDED",
    "Ends",
    "Interval",
    "bootstrap_interval",
    "corrected_interval",
    "t_interval",
    "t_quantile",
]

FEWEST_RESAMPLED = 8
"""Values from which on resampling them says something: below, its intervals hold the truth too rarely."""
_RESAMPLES = 4000
Ends = tuple[float, float]
"""Between which the values lie, whatever is measured."""
UNBOUNDED: Ends = (-math.inf, math.inf)
SHARES: Ends = (0.0, 1.0)
"""Accuracies and other shares."""
FROM_0: Ends = (0.0, math.inf)
"""Errors: RMSE, MAE, cross-entropy."""
BELOW_1: Ends = (-math.inf, 1.0)
"""R²."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends between which the true value lies in `level` of all such experiments."""

    estimate: float
    low: float
    high: float
    level: float
    method: str
    """How it was computed, in a word or two."""

    def overlaps(self, other: Interval) -> bool:
        """Whether the two have a value in common.

        >>> Interval(1, 0, 2, 0.95, "t").overlaps(Interval(3, 2.5, 4, 0.95, "t"))
        False
        """
        return self.low <= other.high and other.low <= self.high

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def t_interval(values: Sequence[float], level: float = 0.95, *, ends: Ends = UNBOUNDED) -> Interval:
    """Student's interval of the mean of n independent values: m ± t·s / √n with n − 1 degrees of freedom.

    Student 1908, "The probable error of a mean". Exact for normal values, and the one to read for few seeds.
    With `ends` it stays between them, see `corrected_interval`.
    Raises InputError for fewer than 2 values, what is not finite, or values beyond the ends.

    >>> found = t_interval([0.90, 0.91, 0.92])
    >>> round(found.low, 3), round(found.high, 3)
    (0.885, 0.935)
    """
    numbers = as_numbers(values, level)
    mean, half = _student(numbers, 1 / len(numbers), level)
    return _around(mean, half, level, "t", numbers, ends)


def corrected_interval(
    values: Sequence[float], test_share: float, level: float = 0.95, *, ends: Ends = UNBOUNDED
) -> Interval:
    """The interval of the mean over J folds that share training images: m ± t·s·√(1/J + n₂/n₁).

    Folds are not independent: each pair shares training images, and the plain interval is too narrow. Nadeau & Bengio
    2003, "Inference for the generalization error", equation 9, with J − 1 degrees of freedom.

    Args:
        test_share: n₂/n₁, images tested for each image trained on: 1 / (K − 1) for K folds.
        ends: between which the values lie: SHARES for accuracies, BELOW_1 for R², FROM_0 for errors. The interval is
            then made on a scale g without ends and taken back: g⁻¹(g(m) ± h·g′(m)), where m ± h would be the plain one
            and g′(m) is the scale's slope at m; g is the logit between two ends, else the logarithm of the distance to
            the one there is: log(1 − R²), log RMSE. It contains m, never passes an end, and is longer away from it, as
            values near an end are spread. Cut off at the end instead, the plain interval would hold the truth no more
            often than before: too rarely, for its other side is what misses. The mean of the transformed values would
            be of the geometric mean in place of the mean that is shown, and has no place for R² = 1. Where all values
            are equal, or the mean is an end, there is no spread to go by, and both ends are that value.

    >>> found = corrected_interval([0.90, 0.91, 0.92, 0.91, 0.90], 1 / 4)
    >>> round(found.high - found.low, 4), round(t_interval([0.90, 0.91, 0.92, 0.91, 0.90]).high - found.estimate, 4)
    (0.0312, 0.0104)
    >>> found = corrected_interval([0.98, 1.0, 0.96, 1.0, 1.0], 1 / 4, ends=SHARES)
    >>> round(found.low, 3), round(found.high, 3)
    (0.832, 0.999)
    >>> found = corrected_interval([0.98, 0.95, 0.80, 0.97, 0.99], 1 / 4, ends=BELOW_1)
    >>> round(found.low, 3), round(found.high, 3)
    (0.344, 0.994)
    """
    if not test_share > 0:
        raise InputError(f"test_share is {test_share}; allowed: above 0, such as 1/4 for 5 folds")
    numbers = as_numbers(values, level)
    mean, half = _student(numbers, 1 / len(numbers) + test_share, level)
    return _around(mean, half, level, "corrected t", numbers, ends)


def _around(
    mean: float, half: float, level: float, method: str, numbers: np.ndarray[Any, Any], ends: Ends
) -> Interval:
    """mean ± half; where the values have ends, on a scale that has none."""
    low, high = ends
    if numbers.min() < low or numbers.max() > high:
        raise InputError(f"values {str(numbers.tolist())[:80]}; allowed: {_between(low, high)}")
    if ends == UNBOUNDED:
        return Interval(mean, mean - half, mean + half, level, method)
    method = f"{method} of log{'it' if math.isfinite(low) and math.isfinite(high) else 'arithm'}s"
    if half == 0 or not low < mean < high:
        return Interval(mean, mean, mean, level, method)
    moved = np.array([-half, half])
    if math.isinf(high):
        below, above = low + (mean - low) * np.exp(moved / (mean - low))
    elif math.isinf(low):
        below, above = high - (high - mean) * np.exp(-moved / (high - mean))
    else:
        share, width = (mean - low) / (high - low), high - low
        slope = 1 / (width * share * (1 - share))
        below, above = low + width * special.expit(special.logit(share) + moved * slope)
    return Interval(mean, float(below), float(above), level, method)


def _between(low: float, high: float) -> str:
    if math.isinf(low):
        return f"{high:g} or less"
    return f"{low:g} or more" if math.isinf(high) else f"between {low:g} and {high:g}"


def bootstrap_interval(values: Sequence[float], level: float = 0.95, *, seed: int = 0) -> Interval:
    """The interval of the mean by resampling the values, its percentiles widened for few of them.

    Plain percentiles are too narrow by √((n − 1)/n) and by normal in place of t quantiles; the percentile that is
    taken instead is Φ(−√(n/(n − 1))·t) (Hesterberg 2015, "What teachers should know about the bootstrap", section
    3.3). Raises InputError below 8 values: there are too few different resamples.

    >>> found = bootstrap_interval([0.1 * each for each in range(10)])
    >>> 0.2 < found.low < 0.3 < 0.6 < found.high < 0.7
    True
    """
    numbers = as_numbers(values, level)
    count = len(numbers)
    if count < FEWEST_RESAMPLED:
        raise InputError(
            f"{count} values to resample; allowed: {FEWEST_RESAMPLED} or more; take t_interval for fewer"
        )
    quantile = t_quantile((1 + level) / 2, count - 1)
    tail = float(special.ndtr(-math.sqrt(count / (count - 1)) * quantile))
    drawn = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(numbers[drawn].mean(1), [tail, 1 - tail])
    return Interval(float(numbers.mean()), float(low), float(high), level, "bootstrap")


def t_quantile(share: float, freedom: int) -> float:
    """Student's t below which `share` of the distribution lies.

    This is what `scipy.stats.t.ppf` calls, a hundred times as fast without its checks; that module takes seconds to
    load as well.

    >>> round(t_quantile(0.975, 9), 3)
    2.262
    """
    return float(special.stdtrit(freedom, share))


def as_numbers(values: Sequence[float], level: float = 0.95) -> np.ndarray[Any, np.dtype[np.float64]]:
    """At least two finite numbers as an array; raises InputError for anything else."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) < 2 or not np.isfinite(numbers).all():
        raise InputError(f"values {str(list(values))[:80]}; allowed: 2 or more finite numbers")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; allowed: between 0 and 1, such as 0.95")
    return numbers


def _student(numbers: np.ndarray[Any, Any], variance: float, level: float) -> tuple[float, float]:
    quantile = t_quantile((1 + level) / 2, len(numbers) - 1)
    return float(numbers.mean()), quantile * float(numbers.std(ddof=1)) * math.sqrt(variance)
