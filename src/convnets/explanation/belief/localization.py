"""Localization: whether a map points to where the thing is known to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convnets.errors import InputError

__all__ = ["box_mask", "energy_inside", "pointing_game"]


def box_mask(height: int, width: int, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """H×W, true in the box (top, bottom, left, right), whose ends are not in it. Raises InputError for a box outside.

    >>> int(box_mask(4, 6, (0, 2, 1, 4)).sum())
    6
    """
    top, bottom, left, right = box
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(f"box is {box}; allowed: top < bottom ≤ {height} and left < right ≤ {width}")
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def pointing_game(importance: ArrayLike, masks: ArrayLike, *, tolerance: int = 0) -> NDArray[np.bool_]:
    """Whether the largest value of each map N×H×W is in its mask (N×H×W, or one for all), or within `tolerance`.

    Zhang, Lin, Brandt, Shen & Sclaroff 2016, "Top-down neural attention by excitation backprop", arXiv:1608.00507,
    with 15 pixels of tolerance at 224. A flat map, which points nowhere, is a miss.

    >>> pointing_game([[[0.0, 2.0], [1.0, 0.0]]], [[False, True], [False, False]]).tolist()
    [True]
    """
    maps, inside = _fitting(importance, masks)
    width = maps.shape[2]
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), width)
    hits = np.zeros(len(maps), dtype=np.bool_)
    for place, (row, column) in enumerate(zip(rows, columns, strict=True)):
        near = (
            slice(max(0, row - tolerance), row + tolerance + 1),
            slice(max(0, column - tolerance), column + tolerance + 1),
        )
        hits[place] = inside[place][near].any() and maps[place].max() > maps[place].min()
    return hits


def energy_inside(importance: ArrayLike, masks: ArrayLike) -> NDArray[np.float64]:
    """N: the share of all that is above zero in each map N×H×W that lies in its mask; NaN where nothing is above.

    Wang et al. 2020, "Score-CAM", arXiv:1910.01279, section 4.3. By chance it is the mask's share of the picture.

    >>> energy_inside([[[1.0, 3.0], [0.0, -5.0]]], [[False, True], [False, False]]).tolist()
    [0.75]
    """
    maps, inside = _fitting(importance, masks)
    positive = np.maximum(maps, 0)
    total = positive.sum((1, 2))
    found: NDArray[np.float64] = np.divide(
        (positive * inside).sum((1, 2)), total, out=np.full_like(total, np.nan), where=total > 0
    )
    return found


def _fitting(importance: ArrayLike, masks: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    maps, inside = np.asarray(importance, dtype=np.float64), np.asarray(masks, dtype=np.bool_)
    if maps.ndim != 3 or inside.shape not in (maps.shape, maps.shape[1:]):
        raise InputError(f"maps are {maps.shape}, masks {inside.shape}; allowed: N×H×W, and the same or H×W")
    return maps, np.broadcast_to(inside, maps.shape)
