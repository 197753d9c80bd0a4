"""Rank correlation: whether two maps put the pixels in the same order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

__all__ = ["rank_correlation"]


def rank_correlation(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Spearman's ρ of N pairs of maps N×H×W, −1 to 1: Pearson's correlation of the ranks, ties sharing theirs.

    0 where one of the two is the same everywhere: it puts pixels in no order.

    >>> import torch
    >>> rank_correlation(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 9.0, 80.0]]]))
    array([1.])
    """
    ranks = [stats.rankdata(each.flatten(1).double().cpu().numpy(), axis=1) for each in (first, second)]
    x, y = (each - each.mean(1, keepdims=True) for each in ranks)
    below = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    found: NDArray[np.float64] = np.divide((x * y).sum(1), below, out=np.zeros_like(below), where=below > 0)
    return found
