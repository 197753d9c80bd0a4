"""A power law through the errors of training sets of several sizes, and what it says of larger ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from convnets.errors import InputError

__all__ = ["PowerLaw", "fit_power_law"]

_FEWEST = 3
_STEEPEST = 3.0


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = floor + factor · n^(−exponent)."""

    factor: float
    exponent: float
    floor: float

    def error(self, images: float) -> float:
        """The error that it expects with so many training images.

        >>> PowerLaw(1.0, 0.5, 0.02).error(100)
        0.12000000000000001
        """
        return self.floor + self.factor * math.pow(images, -self.exponent)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def fit_power_law(images: Sequence[int], errors: Sequence[float]) -> PowerLaw:
    """The law of least squared error in the logarithm (Hestness et al. 2017, "Deep learning scaling is predictable").

    For each floor below the smallest error the logarithms lie on a line; the floor is the one that they lie on best,
    or 0 with three sizes, through which any floor would go. Raises InputError below three sizes, and where errors do
    not fall with the number of images: there is no law to extend.

    >>> law = fit_power_law([100, 400, 1600], [0.3, 0.15, 0.075])
    >>> round(law.exponent, 3), round(law.error(6400), 4)
    (0.5, 0.0375)
    """
    n, e = np.asarray(images, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if n.shape != e.shape or len(n) < _FEWEST or len(set(images)) < _FEWEST or n.min() < 1 or e.min() <= 0:
        raise InputError(
            f"{len(n)} sizes and errors {str(list(errors))[:60]}; allowed: 3 or more, errors above 0"
        )

    def line(floor: float) -> tuple[float, float, float]:
        y = np.log(e - floor)
        slope, start = np.polyfit(np.log(n), y, 1)
        return float(slope), float(start), float(((slope * np.log(n) + start - y) ** 2).sum())

    floor = 0.0
    if len(n) > _FEWEST:
        bounds = (0.0, float(e.min()) * 0.95)
        found = minimize_scalar(lambda each: line(each)[2], bounds=bounds, method="bounded")
        floor = float(found.x) if line(float(found.x))[2] < line(0.0)[2] else 0.0
    slope, start, _ = line(floor)
    if not -_STEEPEST < slope < 0:
        raise InputError(
            f"errors {[round(each, 4) for each in errors]} do not fall with the images; give larger sets"
        )
    return PowerLaw(math.exp(start), -slope, floor)
