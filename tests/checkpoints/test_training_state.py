"""The training state: kept whole, judged by the right figure, never executed."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints.training_state import TrainingState, load_state, save_state
from convnets.errors import RunError

CPU = torch.device("cpu")


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


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    state = TrainingState()
    state.record(row(1, best=True), 2.5)
    learner = {
        "network": {"w": torch.randn(3)},
        "optimiser": {"state": {0: {"step": torch.tensor(3.0)}}},
        "steps": 7,
    }
    save_state(tmp_path / "state.pt", state, learner)
    again, other = load_state(tmp_path / "state.pt", CPU)
    assert again == state
    assert torch.equal(other["network"]["w"], learner["network"]["w"])  # type: ignore[index]
    assert other["steps"] == 7


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_payload_is_refused_and_never_run(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    path = tmp_path / "state.pt"
    torch.save({"format_version": 1, "state": {}, "learner": Payload(sentinel)}, path)
    with pytest.raises(RunError, match=r"state\.pt is damaged"):
        load_state(path, CPU)
    path.write_bytes(pickle.dumps(Payload(sentinel)))
    with pytest.raises(RunError, match=r"state\.pt is damaged"):
        load_state(path, CPU)
    assert not sentinel.exists()


def test_a_state_that_is_missing_cut_or_newer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    with pytest.raises(RunError, match="no epoch of the run was finished"):
        load_state(path, CPU)
    save_state(path, TrainingState(), {})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="is damaged"):
        load_state(path, CPU)
    torch.save({"format_version": 99, "state": {}, "learner": {}}, path)
    with pytest.raises(RunError, match="format version 99"):
        load_state(path, CPU)
