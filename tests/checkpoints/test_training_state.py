"""The position and history of a run, and the figure that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convnets.checkpoints.training_state import TrainingState


@dataclass
class Score:
    accuracy: float
    loss: float


def row(epoch: int, best: bool, accuracy: float | None = 0.5, loss: float | None = 1.0) -> dict[str, Any]:
    return {"epoch": epoch, "best": best, "validation_accuracy": accuracy, "validation_loss": loss}


def test_higher_accuracy_is_better_and_loss_breaks_ties() -> None:
    state = TrainingState()
    assert state.is_better(Score(0.0, 9.0))
    state.record(row(1, best=True, accuracy=0.5, loss=1.0), 1.0)
    assert state.is_better(Score(0.6, 2.0))
    assert state.is_better(Score(0.5, 0.9))
    assert not state.is_better(Score(0.5, 1.0))
    assert not state.is_better(Score(0.4, 0.1))
    assert not state.is_better(Score(float("nan"), 0.1))
    assert state.is_better(None)


def test_epochs_without_a_better_one_are_counted() -> None:
    state = TrainingState()
    for epoch, best in enumerate([True, False, False, True, False], 1):
        state.record(row(epoch, best), 1.0)
    assert (state.best_epoch, state.epochs_without_better, state.epochs) == (4, 1, 5)


def test_a_finished_epoch_leaves_no_steps_behind() -> None:
    state = TrainingState(step=7, epoch_seconds=2.0, epoch_waited=1.0)
    state.record(row(1, best=True), 2.5)
    assert (state.step, state.epoch_seconds, state.epoch_waited) == (0, 0.0, 0.0)


def test_it_comes_back_as_it_was() -> None:
    state = TrainingState(step=3, event_bytes=99)
    state.record(row(1, best=True), 2.5)
    values = state.to_dict()
    values["best_score"] = list(values["best_score"])  # as a file may give it back
    assert TrainingState.from_dict(values) == state
