"""Intervals of a mean that was measured a few times: by Student's t, by resampling, and over folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from convnets.errors import InputError

__all__ = ["FEWEST_RESAMPLED", "Interval", "bootstrap_interval", "corrected_interval", "t_interval"]

FEWEST_RESAMPLED = 8
"""Values from which on resampling them says something: below, its intervals hold the truth too rarely."""
_RESAMPLES = 4000


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


def t_interval(values: Sequence[float], level: float = 0.95, *, shares: bool = False) -> Interval:
    """Student's interval of the mean of n independent values: m ± t·s / √n with n − 1 degrees of freedom.

    Student 1908, "The probable error of a mean". Exact for normal values, and the one to read for few seeds.
    With `shares` (accuracies and the like) it stays between 0 and 1, see `corrected_interval`.
    Raises InputError for fewer than 2 values, what is not finite, or shares outside 0 and 1.

    >>> found = t_interval([0.90, 0.91, 0.92])
    >>> round(found.low, 3), round(found.high, 3)
    (0.885, 0.935)
    """
    numbers = as_numbers(values, level)
    mean, half = _student(numbers, 1 / len(numbers), level)
    return _around(mean, half, level, "t", numbers if shares else None)


def corrected_interval(
    values: Sequence[float], test_share: float, level: float = 0.95, *, shares: bool = False
) -> Interval:
    """The interval of the mean over J folds that share training images: m ± t·s·√(1/J + n₂/n₁).

    Folds are not independent: each pair shares training images, and the plain interval is too narrow. Nadeau & Bengio
    2003, "Inference for the generalization error", equation 9, with J − 1 degrees of freedom.

    Args:
        test_share: n₂/n₁, images tested for each image trained on: 1 / (K − 1) for K folds.
        shares: the values are shares of images, such as accuracies, between 0 and 1. The interval is then made on the
            logit scale and taken back: σ(logit m ± h / (m(1 − m))), where m ± h would be the plain one and
            1 / (m(1 − m)) is the logit's slope at m. It contains m, never ends outside 0 and 1, and is longer towards
            the middle, as shares near 1 are spread. Cut off at 1 instead, the plain interval would hold the truth no
            more often than before: too rarely, for its lower end is what misses. Where all values are 0, or all 1,
            there is no spread to go by, and both ends are that value.

    >>> found = corrected_interval([0.90, 0.91, 0.92, 0.91, 0.90], 1 / 4)
    >>> round(found.high - found.low, 4), round(t_interval([0.90, 0.91, 0.92, 0.91, 0.90]).high - found.estimate, 4)
    (0.0312, 0.0104)
    >>> found = corrected_interval([0.98, 1.0, 0.96, 1.0, 1.0], 1 / 4, shares=True)
    >>> round(found.low, 3), round(found.high, 3)
    (0.832, 0.999)
    """
    if not test_share > 0:
        raise InputError(f"test_share is {test_share}; allowed: above 0, such as 1/4 for 5 folds")
    numbers = as_numbers(values, level)
    mean, half = _student(numbers, 1 / len(numbers) + test_share, level)
    return _around(mean, half, level, "corrected t", numbers if shares else None)


def _around(
    mean: float, half: float, level: float, method: str, shares: np.ndarray[Any, Any] | None
) -> Interval:
    """mean ± half, of shares by their logit."""
    if shares is None:
        return Interval(mean, mean - half, mean + half, level, method)
    if shares.min() < 0 or shares.max() > 1:
        raise InputError(f"shares {str(shares.tolist())[:80]}; allowed: between 0 and 1")
    if half == 0 or not 0 < mean < 1:
        return Interval(mean, mean, mean, level, f"{method} of logits")
    half /= mean * (1 - mean)
    low, high = special.expit(special.logit(mean) + np.array([-half, half])).tolist()
    return Interval(mean, low, high, level, f"{method} of logits")


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
    quantile = stats.t.ppf((1 + level) / 2, count - 1)
    tail = float(stats.norm.cdf(-math.sqrt(count / (count - 1)) * quantile))
    drawn = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    low, high = np.quantile(numbers[drawn].mean(1), [tail, 1 - tail])
    return Interval(float(numbers.mean()), float(low), float(high), level, "bootstrap")


def as_numbers(values: Sequence[float], level: float = 0.95) -> np.ndarray[Any, np.dtype[np.float64]]:
    """At least two finite numbers as an array; raises InputError for anything else."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) < 2 or not np.isfinite(numbers).all():
        raise InputError(f"values {str(list(values))[:80]}; allowed: 2 or more finite numbers")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; allowed: between 0 and 1, such as 0.95")
    return numbers


def _student(numbers: np.ndarray[Any, Any], variance: float, level: float) -> tuple[float, float]:
    quantile = float(stats.t.ppf((1 + level) / 2, len(numbers) - 1))
    return float(numbers.mean()), quantile * float(numbers.std(ddof=1)) * math.sqrt(variance)
