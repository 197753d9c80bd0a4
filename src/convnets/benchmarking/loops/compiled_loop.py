"""The compiled loop: the hand-tuned one with its network under `torch.compile`."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.benchmarking.loops.hand_tuned_loop import HandTunedLoop
from convnets.benchmarking.workload import Workload

__all__ = ["CompiledLoop"]


class CompiledLoop(HandTunedLoop):
    """On CUDA with `mode="reduce-overhead"`, which replays graphs. Both shapes of an epoch, whole batches and its
    last one, are compiled before anything is measured.
    """

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        mode = "reduce-overhead" if self.device.type == "cuda" else "default"
        # one program for each shape: a dynamic one is slower for the batches that are measured
        self.network = cast("Any", torch.compile(self.network, dynamic=False, mode=mode))
        for count in sorted({self.batch_size, len(self.labels) % self.batch_size or self.batch_size}):
            self._compile(*self.prepare(torch.arange(count, device=self.device)))

    def _compile(self, images: Tensor, labels: Tensor) -> None:
        """A pass there and back that moves no weight."""
        self.network.train()
        with self.hardware.autocast():
            loss = F.cross_entropy(self.network(images).float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad(set_to_none=True)
