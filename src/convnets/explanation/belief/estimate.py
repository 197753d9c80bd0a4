"""Estimate: a mean over images with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """A mean, and the ends between which the true one lies in 95 % of all samples."""

    mean: float
    low: float
    high: float
    count: int
    """How many images it is of; those without a value are left out."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        half = (self.high - self.low) / 2
        return f"{self.mean:.3f}" + ("" if math.isnan(half) else f" ± {half:.3f}")


def estimate(values: NDArray[Any] | Sequence[float], level: float = 0.95) -> Estimate:
    """Mean ± t · s / √n of the values that are not NaN, t of Student's distribution with n − 1 degrees of freedom.

    The ends are NaN for fewer than two values, and so is the mean of none.

    >>> found = estimate([1.0, 2.0, 3.0])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.count
    (2.0, -0.484, 4.484, 3)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    count = len(known)
    if count < 2:
        return Estimate(float(known[0]) if count else math.nan, math.nan, math.nan, count)
    half = float(stats.t.ppf((1 + level) / 2, count - 1) * known.std(ddof=1) / math.sqrt(count))
    mean = float(known.mean())
    return Estimate(mean, mean - half, mean + half, count)
