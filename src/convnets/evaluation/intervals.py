"""Intervals: how far a share that was measured on some images may be from that on all images."""

from __future__ import annotations

import math
from statistics import NormalDist

from convnets.errors import InputError

__all__ = ["paired_difference", "wilson_interval"]


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


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level is {level}; allowed: between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf((1 + level) / 2)
