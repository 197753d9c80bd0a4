"""Intervals: how far what was measured on some images or rows may be from what it is on all of them."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from convnets.errors import InputError

__all__ = ["number_intervals", "paired_difference", "wilson_interval"]

_RESAMPLES = 2000
_CELLS_AT_ONCE = 1 << 24


def wilson_interval(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share, `hits` of `count`, that holds the true one in `level` of all cases.

    (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with p = hits / n (Wilson 1927, "Probable inference, the law
    of succession, and statistical inference"): sensible at 0 and 1 and for few images, where p ± z·√(p(1 − p)/n) is
    not.
    Raises InputError for counts that cannot be.

    >>> [round(end, 3) for end in wilson_interval(8, 10)], [round(end, 3) for end in wilson_interval(0, 10)]
    ([0.49, 0.943], [0.0, 0.278])
    """
    if count < 1 or not 0 <= hits <= count:
        raise InputError(f"{hits} of {count}; allowed: a share of at least one image")
    z, share = _quantile(level), hits / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def paired_difference(gained: int, lost: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a change of accuracy, where the same `count` images were asked before and after.

    `gained` are right only after, `lost` only before. With half an image added to each of the four cells, n' = n + 2,
    d = (gained − lost) / n': d ± z·√((gained' + lost') / n' − d²) / √n' (Agresti & Min 2005, "Simple improved
    confidence intervals for comparing matched proportions").

    >>> [round(end, 3) for end in paired_difference(2, 12, 100)]
    [-0.17, -0.026]
    """
    if count < 1 or min(gained, lost) < 0 or gained + lost > count:
        raise InputError(f"{gained} gained and {lost} lost of {count}; allowed: counts of the same images")
    z, images = _quantile(level), count + 2
    difference = (gained - lost) / images
    half = z * math.sqrt(max(0.0, (gained + lost + 1) / images - difference**2) / images)
    return max(-1.0, difference - half), min(1.0, difference + half)


def number_intervals(
    true: NDArray[np.float64], predicted: NDArray[np.float64], level: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """By measure (`rmse`, `mae`, `r2`) the ends between which it lies in `level` of 2,000 bootstrap samples of rows.

    The percentile interval (Efron 1979, "Bootstrap methods: another look at the jackknife"). Rows have to be apart from
    each other: windows of one series overlap, and would seem surer than they are. Raises InputError for other lengths.

    >>> y = np.arange(100.0)
    >>> number_intervals(y, y + np.where(np.arange(100) % 2, 1.0, -1.0))["mae"]
    (1.0, 1.0)
    """
    if true.shape != predicted.shape or true.ndim != 1 or not len(true):
        raise InputError(f"true has shape {true.shape}, predicted {predicted.shape}; allowed: N numbers each")
    count, rng = len(true), np.random.default_rng(seed)
    error, y = predicted - true, true - true.mean()
    columns = np.stack([error**2, np.abs(error), y, y**2], axis=1)
    pieces = []
    at_once = max(1, _CELLS_AT_ONCE // count)
    for start in range(0, _RESAMPLES, at_once):
        drawn = rng.multinomial(count, np.full(count, 1 / count), min(at_once, _RESAMPLES - start))
        pieces.append(drawn @ columns / count)
    square, absolute, mean, mean_square = np.concatenate(pieces).T
    spread = mean_square - mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(spread > 0, 1 - square / spread, np.nan)
    ends = (0.5 - level / 2, 0.5 + level / 2)
    return {
        name: (float(low), float(high))
        for name, (low, high) in {
            "rmse": np.quantile(np.sqrt(square), ends),
            "mae": np.quantile(absolute, ends),
            "r2": np.nanquantile(r2, ends) if np.isfinite(r2).any() else (np.nan, np.nan),
        }.items()
    }


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level is {level}; allowed: between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf((1 + level) / 2)
