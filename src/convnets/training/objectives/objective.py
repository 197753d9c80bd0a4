"""Objective: what a learner needs of a loss that is not plain classification."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

__all__ = ["Objective"]


class Objective(Protocol):
    """A loss on what a network answers, with what it learns or counts beside the network."""

    def to(self, device: torch.device) -> None:
        """Move what is learned or counted."""

    def parameters(self) -> list[nn.Parameter]:
        """What is learned beside the network's weights."""
        ...

    def through(self, network: nn.Module) -> nn.Module:
        """What a training step computes."""
        ...

    def start_epoch(self) -> None:
        """Forget what was counted in the epoch before."""

    def judge(self, answer: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss, and the sum over examples of what an epoch calls accuracy."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All of it, for the training state."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        ...
