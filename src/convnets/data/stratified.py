"""The stratified split of scikit-learn, to the image, without loading scikit-learn: most of a second at each start."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["stratified_part"]

_Counts = np.ndarray[Any, np.dtype[np.int64]]


def stratified_part(labels: _Counts, count: int, seed: int) -> list[int]:
    """Places of `count` of the labels, each class with its share of them to within one; sorted.

    They are those of `train_test_split(…, test_size=count, stratify=labels, random_state=seed)`, because runs that
    were split by it go on. Each class needs 2 labels, and each side as many places as there are classes.

    Args:
        labels: whole numbers N.
        count: places in the part; N − `count` stay.
        seed: from 0 to 2³² − 1.

    >>> stratified_part(np.array([0, 1, 0, 1, 0, 1]), 2, seed=0)
    [0, 3]
    """
    # NumPy's older generator, whose numbers are promised never to change
    generator = np.random.RandomState(seed)
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(sizes)[:-1])
    staying = _shares(sizes, len(labels) - count, generator)
    taken = _shares(sizes - staying, count, generator)
    part: list[int] = []
    for own, stay, take in zip(members, staying.tolist(), taken.tolist(), strict=True):
        part += own[generator.permutation(len(own))][stay : stay + take].tolist()
    return sorted(part)


def _shares(sizes: _Counts, count: int, generator: np.random.RandomState) -> _Counts:
    """How many of `count` come from each class: its share rounded down, and one more for the largest remainders."""
    exact = sizes / sizes.sum() * count
    shares: _Counts = np.floor(exact).astype(np.int64)
    missing = count - int(shares.sum())
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if missing <= 0:
            break
        (equal,) = np.where(remainders == remainder)
        chosen = generator.choice(equal, size=min(len(equal), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    return shares
