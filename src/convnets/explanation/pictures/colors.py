"""Colors that every kind of color vision tells apart: of values, signed or not, and of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

__all__ = ["CLASS_COLORS", "ColorScale", "as_picture", "class_colors", "scale_of"]

Pixels = NDArray[np.uint8]

# Okabe & Ito 2008, then Paul Tol's muted ones for the ninth and tenth class
CLASS_COLORS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#332288",
    "#882255",
    "#999933",
    "#6e7781",
)
_SIGNED, _UNSIGNED = "RdBu_r", "cividis"  # blue below zero, white at zero, red above; dark to light


@dataclass(frozen=True)
class ColorScale:
    """Values from `low` to `high` as colors; a signed scale is symmetric and white at zero.

    >>> ColorScale(-1.0, 1.0).color(np.array([-1.0, 0.0, 1.0])).tolist()
    [[5, 48, 97], [247, 246, 246], [103, 0, 31]]
    """

    low: float
    high: float

    @property
    def signed(self) -> bool:
        """Whether there are values below zero to tell from those above."""
        return self.low < 0

    @property
    def name(self) -> str:
        """matplotlib's name of the colors."""
        return _SIGNED if self.signed else _UNSIGNED

    def color(self, values: NDArray[Any]) -> Pixels:
        """Any shape → uint8 shape×3; values beyond the ends get the colors of the ends, what is not finite is gray."""
        spread = self.high - self.low
        places = (np.asarray(values, dtype=np.float64) - self.low) / (spread if spread > 0 else 1.0)
        colors = np.array(colormaps[self.name](np.nan_to_num(places, nan=0.0), bytes=True))[..., :3]
        colors[~np.isfinite(places)] = 128
        return colors


def scale_of(values: NDArray[Any]) -> ColorScale:
    """The scale that shows all finite values: from zero upwards, or symmetric around zero where some are below.

    >>> scale_of(np.array([-3.0, 1.0])), scale_of(np.array([0.5, 2.0])), scale_of(np.zeros(2))
    (ColorScale(low=-3.0, high=3.0), ColorScale(low=0.0, high=2.0), ColorScale(low=0.0, high=0.0))
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    highest = float(np.abs(finite).max()) if finite.size else 0.0
    return ColorScale(-highest if finite.size and finite.min() < 0 else 0.0, highest)


def as_picture(pixels: NDArray[np.uint8]) -> Pixels:
    """A picture uint8 C×H×W, gray or RGB, as H×W×3.

    >>> as_picture(np.zeros((1, 4, 5), dtype=np.uint8)).shape
    (4, 5, 3)
    """
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))


def class_colors(count: int) -> list[str]:
    """A color for each of `count` classes; beyond ten they come again, and names have to tell them apart."""
    return [CLASS_COLORS[index % len(CLASS_COLORS)] for index in range(count)]
