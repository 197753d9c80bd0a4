"""Softmax and log-sum-exp, without the overflow that their formulas invite."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.layers.number_types import as_floats

__all__ = ["Softmax", "log_softmax", "log_sum_exp", "softmax"]


def log_sum_exp(x: Tensor, dim: int = -1) -> Tensor:
    """log Σ_k exp(x_k) along `dim`, which goes.

    exp overflows float32 above 88; log Σ exp(x_k) = m + log Σ exp(x_k − m) for every m, and with the largest x_k as m
    no exponent is above 0.

    >>> log_sum_exp(torch.tensor([1000.0, 1000.0]))  # 1000 + log 2
    tensor(1000.6932)
    """
    x = as_floats(x)  # differences of small whole numbers run over
    largest = x.detach().amax(dim, keepdim=True)
    largest = torch.where(largest.isfinite(), largest, torch.zeros_like(largest))  # inf − inf is no number
    return (x - largest).exp().sum(dim).log() + largest.squeeze(dim)


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """Shares that add up to 1 along `dim`: exp(x_k) / Σ_j exp(x_j), both reduced by exp(max x) lest they overflow.

    >>> softmax(torch.tensor([0.0, 1000.0]))
    tensor([0., 1.])
    """
    x = as_floats(x)
    powers = (x - x.detach().amax(dim, keepdim=True)).exp()
    return powers / powers.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int = -1) -> Tensor:
    """log softmax(x) = x_k − log Σ_j exp(x_j), finite where softmax itself is rounded to 0.

    >>> log_softmax(torch.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    x = as_floats(x)
    return x - log_sum_exp(x, dim).unsqueeze(dim)


class Softmax(nn.Module):
    """`softmax` as a layer. Networks that train with `cross_entropy` end in logits instead."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """As `x`, positive and 1 in sum along `dim`."""
        return softmax(x, self.dim)
