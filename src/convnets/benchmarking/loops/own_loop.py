"""Our own loop: the training path of `convnets train`, driven a slice at a time.

Task, Learner, Batches and `fit` are those of a run, so whatever makes a run faster is measured here without a
change. A slice is an epoch to `fit`; the images come from an endless walk through the data's real epochs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from convnets.benchmarking.loop import Work, wait_for_device
from convnets.benchmarking.workload import Workload
from convnets.checkpoints.training_state import TrainingState
from convnets.data.batches import Batch, Batches
from convnets.training.learner import Learner
from convnets.training.loop import fit
from convnets.training.task import prepare

if TYPE_CHECKING:
    from convnets.training.events import Event

__all__ = ["OwnLoop"]


class OwnLoop:
    """What `train` does between its first and its last step, events included."""

    def __init__(self, workload: Workload) -> None:
        self.config = workload.config
        self.task = prepare(workload.network, workload.data, self.config)
        self.hardware = self.task.hardware
        self.learner = Learner(self.task.network, self.config, self.hardware)
        batches = Batches(
            self.task.train,
            self.task.preprocess,
            self.config.batch_size,
            device=self.hardware.device,
            shuffle=True,
            seed=self.config.seed,
            augment=self.task.augment,
            mixing=self.task.mixing,
            workers=self.task.workers,
        )
        self._walk = _Walk(batches)
        self._laid_out = contextlib.ExitStack()  # once, as in a run, and to the end of this process
        self._laid_out.enter_context(self.learner.laid_out())

    def run(self, steps: int) -> Work:
        """`steps` steps, over as many epochs as they take."""
        self._walk.begin(steps)
        started = time.perf_counter()
        fit(
            self.learner,
            cast("Batches", self._walk),  # all that `fit` asks of Batches is their number and an epoch
            _no_validation,
            0,
            replace(self.config, epochs=1),
            TrainingState(),
            _ignore,
        )
        wait_for_device(self.hardware.device)
        seconds = time.perf_counter() - started
        return Work(self.learner.seen, seconds, self._walk.waited, self.learner.loss)

    def kernels(self) -> dict[str, Any]:
        """What the network was trained through, as the run's event says it; empty where that is PyTorch alone."""
        chosen = self.learner.kernels.chosen()
        return {} if chosen is None else chosen.to_dict()

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One update on float32 N×C×S×S; the mean loss before it."""
        self.learner.start_epoch()
        self.learner.step(Batch(images, labels, torch.arange(len(labels))), epoch=0, step=0, progress=0.0)
        return torch.tensor(self.learner.loss)


class _Walk:
    """Batches epoch after epoch without end, of which `fit` sees the next few as one epoch."""

    def __init__(self, batches: Batches) -> None:
        self._all = self._endless(batches)
        self._steps = 0
        self.waited = 0.0

    def begin(self, steps: int) -> None:
        """The next epoch has `steps` steps."""
        self._steps, self.waited = steps, 0.0

    def __len__(self) -> int:
        return self._steps

    def epoch(self, number: int = 0, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002  as in Batches
        for _ in range(self._steps):
            before = time.perf_counter()
            batch = next(self._all)
            self.waited += time.perf_counter() - before
            yield batch

    @staticmethod
    def _endless(batches: Batches) -> Iterator[Batch]:
        epoch = 0
        while True:
            yield from batches.epoch(epoch)
            epoch += 1


def _no_validation(_: object) -> None:
    return None


def _ignore(_: Event) -> None:
    pass
