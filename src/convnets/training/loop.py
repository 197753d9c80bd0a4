"""The training loop, on one page: batches in, events out. It prints nothing and opens no file."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from convnets.checkpoints.training_state import Scored, TrainingState
from convnets.data.batches import Batches
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, EpochStarted, Listener
from convnets.training.interruption import Interruption
from convnets.training.learner import Learner
from convnets.training.recording.saver import Saver
from convnets.training.step_reports import StepReports
from convnets.training.tables.row_batches import RowBatches
from convnets.training.timing import RunClock, Stopwatch

__all__ = ["fit"]


def fit(
    learner: Learner,
    batches: Batches | RowBatches,
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
    clock = RunClock(config.max_minutes, state.seconds, learner.group)
    reports = StepReports(learner, emit)
    asked = interruption or Interruption()
    for epoch in range(state.epochs, config.epochs):
        emit(EpochStarted(epoch + 1, steps, state.step))
        if state.step == 0:  # else the learner came with the sums of the epoch so far
            learner.start_epoch()
        watch = Stopwatch(state.epoch_seconds, state.epoch_waited)
        for step, batch in enumerate(watch.without_waiting(batches.epoch(epoch, state.step)), state.step):
            progress = clock.progress((epoch * steps + step) / (config.epochs * steps))
            learner.step(batch, epoch, step, progress)
            state.step, state.seconds = step + 1, clock.elapsed()
            state.epoch_seconds, state.epoch_waited = watch.total(), watch.waited
            reports.step_ended(epoch + 1, step + 1, steps, watch)
            clock.expect_validation(step, validation_images * watch.total() / learner.seen)
            if saver is not None:
                saver.step_ended()
            if clock.is_over() or asked.is_asked():
                break
        if asked.is_asked():
            return _saved(saver, asked)
        row = _validated(epoch + 1, learner, validate, state, clock, watch)
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


def _validated(
    epoch: int,
    learner: Learner,
    validate: Callable[[nn.Module], Scored | None],
    state: TrainingState,
    clock: RunClock,
    watch: Stopwatch,
) -> EpochEnded:
    """The row of an epoch whose steps are done."""
    train_loss, train_accuracy, trained = learner.loss, learner.accuracy, watch.total()
    evaluation = validate(learner.network_to_keep)
    clock.validation_took(watch.total() - trained)
    return EpochEnded(
        epoch=epoch,
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


def _saved(saver: Saver | None, asked: Interruption) -> str:
    if saver is not None:
        saver.save()
    assert asked.reason is not None
    return asked.reason
