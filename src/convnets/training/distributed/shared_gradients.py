"""Gradients that all processes of a run share: PyTorch's DistributedDataParallel around what a step computes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from convnets.core.distributed.process_group import ProcessGroup
from convnets.data.batches import Batch

__all__ = ["AllHeads", "HasAuxiliaryHeads", "SharedGradients", "summed"]


@runtime_checkable
class HasAuxiliaryHeads(Protocol):
    """A network that gives the logits of its auxiliary heads beside its own."""

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, ...]: ...


class AllHeads(nn.Module):
    """A network's own logits and those of its auxiliary heads, by one call."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalized images float N×C×S×S → N×K each."""
        return cast(HasAuxiliaryHeads, self.network).forward_with_auxiliary(x)


class SharedGradients:
    """What a training step goes through: `through` itself, or with several processes its DistributedDataParallel.

    Backward then leaves in every process the gradient of the sum of all processes' losses. DistributedDataParallel
    takes the mean of the processes, so each multiplies its loss by `factor` before. Moving statistics of batch norm
    are process 0's at every step's beginning, so that its state suffices to go on from.
    """

    def __init__(
        self, group: ProcessGroup, through: Callable[[Tensor], Any], *, some_unused: bool = False
    ) -> None:
        self.factor = group.size
        self._through = through
        self._engine: Any = None
        if group.size > 1:
            from torch.nn.parallel import DistributedDataParallel

            assert isinstance(through, nn.Module)
            # a hint on speed, of layouts of a few numbers that differ in name only
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
            self._engine = DistributedDataParallel(
                through, find_unused_parameters=some_unused, gradient_as_bucket_view=False
            )

    def __call__(self, images: Tensor) -> Any:
        """Forward; float N×C×S×S → what the network gives."""
        return self._through(images) if self._engine is None else self._engine(images)

    def parts(self, batch: Batch, parts: int) -> list[tuple[Tensor, Tensor]]:
        """Images and targets in `parts` parts; on all processes equally many, since they may meet in each."""
        split = torch.chunk if self._engine is None else torch.tensor_split
        return list(zip(split(batch.images, parts), split(batch.targets, parts), strict=True))

    def part(self, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """Around forward and backward of a part of the batch: gradients are exchanged with the last one alone."""
        if self._engine is None or last:
            return contextlib.nullcontext()
        return cast("contextlib.AbstractContextManager[None]", self._engine.no_sync())


def summed(group: ProcessGroup, loss: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of losses and the number of right answers over all processes; scalars."""
    if group.size == 1:
        return loss, right
    exact = torch.float64 if loss.device.type != "mps" else torch.float32
    sums = group.sum(torch.stack([loss.to(exact), right.to(exact)]))
    return sums[0].to(loss.dtype), sums[1].to(right.dtype)
