"""Numbers: the losses of regression, on standardized targets. N rows, K numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.models.answers import logits_of
from convnets.tables.quantiles import constant_quantiles, pinball
from convnets.tables.target import Target

__all__ = ["LOSS_FUNCTIONS", "NumbersObjective"]

LOSS_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": F.mse_loss,
    "absolute": F.l1_loss,
    "huber": F.huber_loss,
    "log-rmse": F.mse_loss,  # of logarithms, which the target already holds
}
"""Means over N×K, in units of the training targets' standard deviation; of quantiles it is `pinball`, over N×K×Q."""


class NumbersObjective:
    """A loss on numbers; what an epoch calls accuracy is R², the share of the targets' variance that is explained.

    Of quantiles it is R¹, the share of the pinball loss that is explained: 0 for the training rows' own quantiles,
    whose mean loss is `reference`.

    >>> objective = NumbersObjective("squared")
    >>> loss, explained = objective.judge(torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [-1.0]]))
    >>> float(loss), float(explained) / 2
    (0.5, 0.5)
    """

    def __init__(self, loss: str, quantiles: Sequence[float] = (), reference: float = 1.0) -> None:
        self.loss, self.quantiles, self.reference = loss, tuple(quantiles), reference
        self._function = None if quantiles else LOSS_FUNCTIONS[loss]
        self._levels = torch.tensor(self.quantiles)

    @classmethod
    def of(cls, loss: str, target: Target, learned: Tensor) -> NumbersObjective | None:
        """That of `target`, by the training rows' standardized numbers N×K; None for classes."""
        if target.classes:
            return None
        if not target.quantiles:
            return cls(loss)
        own = constant_quantiles(learned.numpy(), target.quantiles)
        rows = torch.from_numpy(own).float().expand(len(learned), -1)
        return cls(loss, target.quantiles, float(pinball(rows, learned, target.quantiles).mean()))

    @property
    def kind(self) -> str:
        """`numbers` or `quantiles`: what events say is minimized."""
        return "quantiles" if self.quantiles else "numbers"

    def to(self, device: torch.device) -> None:
        """Nothing is learned beside the network."""
        self._levels = self._levels.to(device)

    def parameters(self) -> list[nn.Parameter]:
        """None."""
        return []

    def through(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def start_epoch(self) -> None:
        """Nothing is counted here."""

    def judge(self, answer: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of answers and standardized targets N×K the mean loss, and Σ(1 − squared error): R² once divided by N.

        Of quantiles the answers are N×(K·Q), and it is Σ(1 − pinball / reference): R¹.
        """
        found = logits_of(answer).float()
        if self._function is None:
            each = pinball(found, targets, self._levels)
            return each.mean(), (1 - each.detach().mean((1, 2)) / self.reference).sum()
        explained = (1 - (found.detach() - targets) ** 2).mean(1).sum()
        return self._function(found, targets), explained

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""
