"""Dropout: in training, each value is 0 with probability p, and those that stay make up for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError

__all__ = ["Dropout", "dropout"]


def dropout(x: Tensor, probability: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """y = x · m / (1 − p) with m ∈ {0, 1}, P(m = 0) = p for each value on its own: any shape, E[y] = x.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting"; dividing while
    training leaves prediction as it is. Raises ConfigError for a probability outside 0 to 1.

    >>> sorted(set(dropout(torch.ones(100), 0.75, torch.Generator().manual_seed(0)).tolist()))
    [0.0, 4.0]
    """
    _check(probability)
    if probability == 1:
        return x * 0.0
    mask = torch.empty_like(x).bernoulli_(1 - probability, generator=generator)
    return x * mask / (1 - probability)


def _check(probability: float) -> None:
    if not 0 <= probability <= 1:
        raise ConfigError(f"dropout probability is {probability}; allowed: 0 to 1")


class Dropout(nn.Module):
    """`dropout` while the network trains; nothing when it predicts."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        _check(p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """As `x`."""
        return dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        """The probability, for `print(network)`."""
        return f"p={self.p}"
