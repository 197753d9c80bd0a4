"""Disagreement: the images on which networks that were trained on different folds say different things.

M networks, N images, K classes.
"""

from __future__ import annotations

from torch import Tensor

from convnets.errors import InputError

__all__ = ["disagreement"]


def disagreement(probabilities: Tensor) -> Tensor:
    """M×N×K → float64 N, in nats: H(mean of the M answers) − mean of their H, with H = −Σ p log p.

    The Jensen–Shannon divergence of the answers (Lin 1991); 0 where all say the same, log M at most.

    >>> import torch
    >>> disagreement(torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])).tolist()
    [0.6931471805599453, 0.0]
    """
    if probabilities.ndim != 3 or probabilities.shape[0] < 2:
        raise InputError(f"probabilities have shape {tuple(probabilities.shape)}; allowed: M×N×K with M ≥ 2")
    answers = probabilities.double()
    return (_entropy(answers.mean(0)) - _entropy(answers).mean(0)).clamp(min=0)


def _entropy(p: Tensor) -> Tensor:
    return -p.xlogy(p).sum(-1)
