"""Groups kept whole where validation rows are split off: no patient on both sides. N rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.errors import DataError

__all__ = ["whole_groups"]


def whole_groups(
    groups: NDArray[Any], labels: NDArray[Any] | None, share: float, seed: int
) -> NDArray[np.int64]:
    """Places of about `share` of the rows, whole groups of them; of each class about its share.

    Raises DataError where one group is all there is.

    >>> whole_groups(np.array([0, 0, 1, 1, 2, 2]), None, 0.3, 0).tolist() in ([0, 1], [2, 3], [4, 5])
    True
    """
    parts = min(max(2, round(1 / share)), len(np.unique(groups)))
    if parts < 2:
        raise DataError(
            "one group is left to learn from; give more groups, or train without validation rows: validation=0 "
            "(--validation 0)"
        )
    if labels is None or np.bincount(labels).max() < parts:  # no class could be dealt out
        labels = np.zeros(len(groups), dtype=np.int32)
    # half of every command's start, if it came with the file
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a small class is not in every part
        _, taken = next(iter(splitter.split(groups, labels, groups)))
    return np.sort(taken)
