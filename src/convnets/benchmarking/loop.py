"""Loop: one side of a comparison, which does a number of steps when it is told to and says what they took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch

__all__ = ["Loop", "Work", "wait_for_device"]


@dataclass(frozen=True)
class Work:
    """What a number of steps took."""

    images: int
    seconds: float
    """Wall-clock seconds."""
    waiting_seconds: float
    """Of these, seconds until each batch was there: reading, decoding, resizing, copying."""
    loss: float | None
    """Mean cross-entropy in nats; None where none is computed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Loop(Protocol):
    """Steps on batches, each call going on where the one before ended."""

    def run(self, steps: int) -> Work:
        """Do `steps` steps."""
        ...


def wait_for_device(device: torch.device) -> None:
    """Return when everything that was sent to the device is done, so that a clock read next is right."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
