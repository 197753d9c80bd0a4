"""The training state: what a run needs, beside its configuration and data, to go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

__all__ = ["TrainingState"]


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
    step: int = 0
    """Steps done in the epoch after those."""
    epoch_seconds: float = 0.0
    """Wall-clock seconds of those steps."""
    epoch_waited: float = 0.0
    """Of these, seconds spent waiting for data."""
    seconds: float = 0.0
    """Wall-clock seconds so far, over all sessions."""
    best_epoch: int | None = None
    """From 1; the epoch whose weights are kept."""
    best_score: tuple[float, float] | None = None
    """Validation accuracy and minus the loss of that epoch; None without validation."""
    epochs_without_better: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    """One per finished epoch: the columns of metrics.csv."""
    world_size: int = 1
    """Processes that train together: a run goes on exactly with as many."""
    event_bytes: int = 0
    """Length of events.jsonl when the state was saved; what follows is told again by a resumed run."""

    def is_better(self, evaluation: Scored | None) -> bool:
        """Whether this epoch's weights take the place of the best; without validation the last always do."""
        if evaluation is None:
            return True
        score = (evaluation.accuracy, -evaluation.loss)
        return self.best_score is None or score > self.best_score

    def record(self, row: dict[str, Any], seconds: float) -> None:
        """Count a finished epoch."""
        self.epochs, self.seconds = int(row["epoch"]), seconds
        self.step, self.epoch_seconds, self.epoch_waited = 0, 0.0, 0.0
        self.rows.append({key: value for key, value in row.items() if key != "event"})
        self.epochs_without_better += 1
        if row["best"]:
            self.best_epoch, self.epochs_without_better = self.epochs, 0
            if row["validation_accuracy"] is not None:
                self.best_score = (row["validation_accuracy"], -row["validation_loss"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `from_dict` takes them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingState:
        """The state that `to_dict` wrote. Raises TypeError for anything else."""
        state = cls(**values)
        if state.best_score is not None:
            state.best_score = (float(state.best_score[0]), float(state.best_score[1]))
        return state
