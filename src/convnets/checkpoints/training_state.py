"""The training state: what a run needs, beside its configuration and data, to go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from convnets.core.files import atomic_path
from convnets.errors import RunError

__all__ = ["TrainingState", "load_state", "save_state"]

STATE_VERSION = 1


class Scored(Protocol):
    """What an epoch is judged by."""

    @property
    def accuracy(self) -> float: ...

    @property
    def loss(self) -> float: ...


@dataclass
class TrainingState:
    """Position and history of a run. Random numbers need no state: they are functions of seed, epoch and step."""

    epochs: int = 0
    """Epochs finished."""
    seconds: float = 0.0
    """Wall-clock seconds so far, over all sessions."""
    best_epoch: int | None = None
    """From 1; the epoch whose weights are kept."""
    best_score: tuple[float, float] | None = None
    """Validation accuracy and minus the loss of that epoch; None without validation."""
    epochs_without_better: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    """One per finished epoch: the columns of metrics.csv."""

    def is_better(self, evaluation: Scored | None) -> bool:
        """Whether this epoch's weights take the place of the best; without validation the last always do."""
        if evaluation is None:
            return True
        score = (evaluation.accuracy, -evaluation.loss)
        return self.best_score is None or score > self.best_score

    def record(self, row: dict[str, Any], seconds: float) -> None:
        """Count a finished epoch."""
        self.epochs, self.seconds = int(row["epoch"]), seconds
        self.rows.append({key: value for key, value in row.items() if key != "event"})
        self.epochs_without_better += 1
        if row["best"]:
            self.best_epoch, self.epochs_without_better = self.epochs, 0
            if row["validation_accuracy"] is not None:
                self.best_score = (row["validation_accuracy"], -row["validation_loss"])


def save_state(path: Path, state: TrainingState, learner: dict[str, Any]) -> None:
    """Write position and learner, whole or not at all."""
    content = {"format_version": STATE_VERSION, "state": asdict(state), "learner": learner}
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_state(path: Path, device: torch.device) -> tuple[TrainingState, dict[str, Any]]:
    """Read what `save_state` wrote; never executes code. Raises RunError."""
    if not path.is_file():
        raise RunError(
            f"{path} is not there: no epoch of the run was finished; start it again under another name"
        )
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        version = content["format_version"]
        state, learner = TrainingState(**content["state"]), content["learner"]
    except Exception as error:  # noqa: BLE001  a damaged pickle raises anything; none may pass as ours
        raise RunError(
            f"{path} is damaged ({type(error).__name__} while reading it); the best weights are in model/"
        ) from None
    if version != STATE_VERSION:
        raise RunError(f"{path} has format version {version}; this convnets reads {STATE_VERSION}")
    if state.best_score is not None:
        state.best_score = (float(state.best_score[0]), float(state.best_score[1]))
    return state, learner
