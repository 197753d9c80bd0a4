"""The training loop, on one page: batches in, events out. It prints nothing and opens no file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from torch import nn

from convnets.checkpoints.training_state import Scored, TrainingState
from convnets.core.distributed.world import World
from convnets.data.batches import Batch, Batches
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, EpochStarted, Listener, StepEnded
from convnets.training.interruption import Interruption
from convnets.training.learner import Learner
from convnets.training.recording.saver import Saver

__all__ = ["fit"]

_REPORT_EVERY = 0.1  # seconds between two StepEnded
_WARM_UP_STEPS = 10  # the first steps are slow and say little of the speed
_FORWARD_SHARE = (
    0.5  # of a training step's time: a forward pass takes about a third, and it is well to be early
)


def fit(
    learner: Learner,
    batches: Batches,
    validate: Callable[[nn.Module], Scored | None],
    validation_images: int,
    config: TrainConfig,
    state: TrainingState,
    emit: Listener,
    saver: Saver | None = None,
    interruption: Interruption | None = None,
) -> str:
    """Train from `state` on until the epochs, the time or the patience end, or until it is asked to end.

    Returns which of them it was. `state` moves with every step; `saver` hears of every step and epoch and decides
    what is written when. Raises TrainingError when the loss or a gradient is no longer finite.
    """
    steps = len(batches)
    clock = _Clock(config.max_minutes, state.seconds, learner.world)
    measured = False  # whether the clock's reserve is the time that a validation took
    asked = interruption or Interruption()
    told = False  # which kernels it trains on, known after the first step
    for epoch in range(state.epochs, config.epochs):
        emit(EpochStarted(epoch + 1, steps, state.step))
        if state.step == 0:  # else the learner came with the sums of the epoch so far
            learner.start_epoch()
        watch = _Stopwatch(state.epoch_seconds, state.epoch_waited)
        for step, batch in enumerate(watch.without_waiting(batches.epoch(epoch, state.step)), state.step):
            progress = clock.progress((epoch * steps + step) / (config.epochs * steps))
            learner.step(batch, epoch, step, progress)
            state.step, state.seconds = step + 1, clock.elapsed()
            state.epoch_seconds, state.epoch_waited = watch.total(), watch.waited
            if not told and (chosen := learner.kernels.chosen()) is not None:
                emit(chosen)
            told = True
            if watch.since_report() > _REPORT_EVERY or step + 1 == steps:
                learner.guard.check(f"the end of epoch {epoch + 1}, step {step + 1}")
                emit(StepEnded(epoch + 1, step + 1, steps, learner.loss, learner.seen / watch.total()))
            if not measured and step >= _WARM_UP_STEPS:
                clock.reserve = _FORWARD_SHARE * validation_images * watch.total() / learner.seen
            if saver is not None:
                saver.step_ended()
            if clock.is_over() or asked.is_asked():
                break
        if asked.is_asked():
            return _saved(saver, asked)
        train_loss, train_accuracy = learner.loss, learner.accuracy
        trained = watch.total()
        evaluation = validate(learner.network_to_keep)
        clock.reserve, measured = watch.total() - trained, True
        row = EpochEnded(
            epoch=epoch + 1,
            learning_rate=learner.learning_rate,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=None if evaluation is None else evaluation.loss,
            validation_accuracy=None if evaluation is None else evaluation.accuracy,
            images_per_second=learner.seen / (trained - watch.waited),
            images_per_second_wall=learner.seen / watch.total(),
            seconds=watch.total(),
            best=state.is_better(evaluation),
        )
        state.record(row.to_dict(), clock.elapsed())
        if saver is not None:
            saver.epoch_ended(row)
        emit(row)
        if saver is not None:
            saver.save()
        if asked.is_asked() and state.epochs < config.epochs:
            return _saved(saver, asked)
        if clock.is_over():
            return "time budget"
        if config.patience is not None and state.epochs_without_better >= config.patience:
            return "patience"
    return "finished"


def _saved(saver: Saver | None, asked: Interruption) -> str:
    if saver is not None:
        saver.save()
    assert asked.reason is not None
    return asked.reason


class _Clock:
    """Wall-clock time of the run, over all its sessions, against its budget; of several processes, process 0's."""

    def __init__(self, max_minutes: float | None, before: float, world: World) -> None:
        self._world = world
        self.budget = None if max_minutes is None else 60 * max_minutes
        self.reserve = (
            0.0  # seconds that validation took last time: kept back so that the run ends within its budget
        )
        self._start = time.perf_counter() - before

    def elapsed(self) -> float:
        return time.perf_counter() - self._start

    def is_over(self) -> bool:
        return self.budget is not None and self._spent() >= self.budget

    def progress(self, share_of_steps: float) -> float:
        """Share of the run done: of its steps, or of its time where that is further on."""
        if self.budget is None:
            return share_of_steps
        return max(share_of_steps, self._spent() / self.budget)

    def _spent(self) -> float:
        """Seconds that are gone or kept back. All processes ask together, and decide by one clock."""
        own = self.elapsed() + self.reserve
        if self._world.size == 1:
            return own
        return self._world.agree(round(own * 1e9) if self._world.first else 0) / 1e9


class _Stopwatch:
    """Seconds of an epoch: all, those spent waiting for data, and since the last report."""

    def __init__(self, before: float = 0.0, waited: float = 0.0) -> None:
        self.waited = waited
        self._reported = time.perf_counter()
        self._start = self._reported - before

    def total(self) -> float:
        return time.perf_counter() - self._start

    def since_report(self) -> float:
        """Seconds since this last was above the interval; measuring above it starts the next."""
        now = time.perf_counter()
        passed = now - self._reported
        if passed > _REPORT_EVERY:
            self._reported = now
        return passed

    def without_waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches; the time until each arrives counts as waiting."""
        iterator = iter(batches)
        while True:
            before = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - before
            if batch is None:
                return
            yield batch
