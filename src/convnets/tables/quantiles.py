"""Quantiles: several levels learned of each number, by the pinball loss. N rows, K numbers, Q levels.

A network's answers of one row are the Q levels of its first number, then those of the second one, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["are_quantiles", "constant_quantiles", "middle_place", "pinball"]


def are_quantiles(levels: Sequence[float]) -> bool:
    """Whether each lies between 0 and 1, and above the one before."""
    return all(0 < level < 1 for level in levels) and all(low < high for low, high in pairwise(levels))


def middle_place(levels: Sequence[float]) -> int:
    """Place of the level that is nearest to the median, of two the lower one.

    >>> middle_place((0.1, 0.5, 0.9)), middle_place((0.25, 0.75))
    (1, 0)
    """
    return min(range(len(levels)), key=lambda place: (round(abs(levels[place] - 0.5), 12), place))


def constant_quantiles(values: NDArray[Any], levels: Sequence[float]) -> NDArray[np.float64]:
    """The same for every row, 1×(K·Q): quantiles of values N×K, those constants that have the least pinball loss.

    >>> constant_quantiles(np.array([[1.0], [2.0], [3.0], [10.0]]), (0.5, 0.9)).tolist()
    [[2.0, 10.0]]
    """
    found = np.quantile(values.astype(np.float64), levels, axis=0, method="inverted_cdf")
    return found.T.reshape(1, -1)


def pinball(answers: Tensor, targets: Tensor, levels: Sequence[float] | Tensor) -> Tensor:
    """Pinball loss of each quantile, N×K×Q: max(q·(y − ŷ), (q − 1)·(y − ŷ)), for answers N×(K·Q) and targets N×K.

    Its mean over many rows is least where a share q of them lies at or below ŷ (Koenker & Bassett 1978, "Regression
    quantiles").

    >>> pinball(torch.tensor([[1.0, 4.0]]), torch.tensor([[2.0]]), (0.25, 0.75)).tolist()
    [[[0.25, 0.5]]]
    """
    above = targets[:, :, None] - answers.reshape(*targets.shape, len(levels))
    level = torch.as_tensor(levels, dtype=answers.dtype, device=answers.device)
    return torch.maximum(level * above, (level - 1) * above)
