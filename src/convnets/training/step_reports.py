"""What a run reports of its steps: a few times a second, and once what kernels it trains on."""

from __future__ import annotations

from convnets.training.events import Listener, StepEnded
from convnets.training.learner import Learner
from convnets.training.timing import Stopwatch

__all__ = ["StepReports"]


class StepReports:
    """Emits `KernelsChosen` after the first step and `StepEnded` where the last one is long enough ago."""

    def __init__(self, learner: Learner, emit: Listener) -> None:
        self._learner, self._emit = learner, emit
        self._kernels_told = False  # they are known after the first step

    def step_ended(self, epoch: int, step: int, steps: int, watch: Stopwatch) -> None:
        """Report that `step` of an epoch's `steps` is done. Raises TrainingError where the loss is not finite."""
        learner = self._learner
        if not self._kernels_told and (chosen := learner.kernels.chosen()) is not None:
            self._emit(chosen)
        self._kernels_told = True
        if watch.report_is_due() or step == steps:
            learner.guard.check(f"the end of epoch {epoch}, step {step}")
            self._emit(StepEnded(epoch, step, steps, learner.loss, learner.seen / watch.total()))
