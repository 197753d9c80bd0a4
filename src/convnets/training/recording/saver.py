"""Saver: what a run leaves on disk while it trains — best weights and metrics at once, its state in the background."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.checkpoints.model_folder import save_model
from convnets.checkpoints.state_folder import StateFolder
from convnets.checkpoints.training_state import TrainingState
from convnets.training.config import TrainConfig
from convnets.training.events import CheckpointSaved, EpochEnded, Listener
from convnets.training.learner import Learner
from convnets.training.runs.run import Run
from convnets.training.tables.table_task import TableTask
from convnets.training.task import Task

__all__ = ["Saver"]


class Saver:
    """Saves a run. The state is copied where training stands and written by a thread, so that training goes on."""

    def __init__(
        self,
        run: Run,
        task: Task | TableTask,
        learner: Learner,
        state: TrainingState,
        config: TrainConfig,
        emit: Listener,
    ) -> None:
        self._run, self._task, self._learner, self._state, self._emit = run, task, learner, state, emit
        self._folder = StateFolder(run.state_folder, config.keep_states)
        self._every_steps, self._every_seconds = config.save_interval
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="convnets-saver")
        self._writing: tuple[Future[Path], TrainingState] | None = None
        self._last_save = time.monotonic()
        self._every_epochs = config.save_epochs
        if state.epochs == 0 and state.step == 0:
            self._keep_epoch(0)

    def step_ended(self) -> None:
        """Save the state where it is due; while one is being written, the next waits for the next step."""
        if self._writing is not None and self._writing[0].done():
            self._collect()
        due_by_time = self._every_seconds and time.monotonic() - self._last_save >= self._every_seconds
        due_by_steps = self._every_steps and self._learner.steps % self._every_steps == 0
        if due_by_steps or (due_by_time and self._writing is None):
            self._begin()

    def epoch_ended(self, row: EpochEnded) -> None:
        """Keep the epoch's weights where they are the best, and its row."""
        if row.best:
            save_model(self._run.model_folder, self._task.trained(self._learner.network_to_keep))
        self._run.append_metrics(row.to_dict())
        self._keep_epoch(row.epoch)

    def save(self) -> None:
        """Save the state as it is now, in the background; waits for the one before."""
        self._begin()

    def close(self) -> None:
        """Wait until all is on disk. Raises RunError where it could not be written."""
        try:
            self._collect()
        finally:
            self._writer.shutdown()

    def _keep_epoch(self, epoch: int) -> None:
        if self._every_epochs is not None and epoch % self._every_epochs == 0:
            save_model(self._run.epoch_folder(epoch), self._task.trained(self._learner.network_to_keep))

    def _begin(self) -> None:
        self._collect()
        events = self._run.events_file
        self._state.event_bytes = events.stat().st_size if events.exists() else 0
        state = replace(self._state, rows=list(self._state.rows))
        learner = _snapshot(self._learner.state_dict())
        self._writing = self._writer.submit(self._write, state, learner), state
        self._last_save = time.monotonic()

    def _write(self, state: TrainingState, learner: dict[str, Any]) -> Path:
        for name in (
            "events.jsonl",
            "metrics.csv",
        ):  # a state never speaks of lines that a power cut could take
            path = self._run.path / name
            if path.exists():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        return self._folder.save(state, learner)

    def _collect(self) -> None:
        """Wait for the state that is being written, and say that it is there."""
        if self._writing is None:
            return
        (future, state), self._writing = self._writing, None
        path = future.result()
        self._emit(CheckpointSaved(str(path), state.epochs, state.step))


def _snapshot(value: Any) -> Any:
    """A copy of nested dictionaries and lists whose tensors lie on the processor and that nothing changes any more."""
    if isinstance(value, Tensor):
        copied = value.detach().to("cpu", copy=True)
        return copied.contiguous() if copied.layout == torch.strided and copied.ndim < 4 else copied
    if isinstance(value, dict):
        return {key: _snapshot(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_snapshot(item) for item in value)
    return value
