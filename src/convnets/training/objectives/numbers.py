"""Numbers: the losses of regression, on standardized targets. N rows, K numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.models.answers import logits_of

__all__ = ["LOSS_FUNCTIONS", "NumbersObjective"]

LOSS_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": F.mse_loss,
    "absolute": F.l1_loss,
    "huber": F.huber_loss,
    "log-rmse": F.mse_loss,  # of logarithms, which the target already holds
}
"""Means over N×K, in units of the training targets' standard deviation."""


class NumbersObjective:
    """A loss on numbers; what an epoch calls accuracy is R², the share of the targets' variance that is explained.

    >>> objective = NumbersObjective("squared")
    >>> loss, explained = objective.judge(torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [-1.0]]))
    >>> float(loss), float(explained) / 2
    (0.5, 0.5)
    """

    def __init__(self, loss: str) -> None:
        self.loss = loss
        self._function = LOSS_FUNCTIONS[loss]

    def to(self, device: torch.device) -> None:
        """Nothing is learned beside the network."""

    def parameters(self) -> list[nn.Parameter]:
        """None."""
        return []

    def through(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def start_epoch(self) -> None:
        """Nothing is counted here."""

    def judge(self, answer: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of answers and standardized targets N×K the mean loss, and Σ(1 − squared error): R² once divided by N."""
        found = logits_of(answer).float()
        explained = (1 - (found.detach() - targets) ** 2).mean(1).sum()
        return self._function(found, targets), explained

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""
