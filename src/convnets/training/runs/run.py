"""Run: a directory of plain files that a training run leaves, and the way back into it.

config.json · environment.json · metrics.csv · events.jsonl · model/ (best) · state/ (to resume) · report.html
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.model_folder import CONFIG_FILE, TrainedModel, load_model
from convnets.checkpoints.training_state import TrainingState
from convnets.core.display.renderers import renderer
from convnets.core.former_names import current_names
from convnets.core.storage.file_lock import is_locked, locked
from convnets.core.storage.files import naming, remove_left_overs, write_json
from convnets.errors import RunError
from convnets.evaluation.numbers import SCORE_NAMES
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded

__all__ = [
    "CUT_OFF",
    "ENDED",
    "METRIC_COLUMNS",
    "Run",
]

CUT_OFF = "cut off"
ENDED = ("finished", "patience", "time budget")
"""What a run's status is when there is nothing to go on with."""
METRIC_COLUMNS = tuple(field.name for field in fields(EpochEnded))


class Run:
    """A run's directory. Opening one reads nothing until it is asked for."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "config.json").is_file() or not (self.path / "environment.json").is_file():
            found = (
                "does not exist"
                if not self.path.exists()
                else "is not a run: it lacks config.json or environment.json"
            )
            raise RunError(f"{self.path} {found}; give the directory that `convnets train` made")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.network_name} on {self.data_name}, {self.status})"

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def model_folder(self) -> Path:
        """The best weights with all that is needed to use them."""
        return self.path / "model"

    @property
    def state_folder(self) -> Path:
        """What a resumed run goes on from."""
        return self.path / "state"

    def epoch_folder(self, epoch: int) -> Path:
        """The weights as they were after an epoch, 0 for the start: a model folder, kept with `save_epochs`."""
        return self.path / "epochs" / f"{epoch:05d}"

    @property
    def epochs_kept(self) -> list[int]:
        """Epochs whose weights were kept, in order, as far as the run has come."""
        folders = (self.path / "epochs").glob("[0-9]*")
        return sorted(
            int(each.name) for each in folders if each.name.isdigit() and (each / CONFIG_FILE).exists()
        )

    @property
    def events_file(self) -> Path:
        """What happened, a line of JSON each."""
        return self.path / "events.jsonl"

    @property
    def _lock_file(self) -> Path:
        return self.path / ".running"

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.path / "report.html"

    @property
    def settings(self) -> dict[str, Any]:
        """config.json: network, data and every option."""
        settings = self._json("config.json")
        lacking = [key for key in ("network", "data", "options") if not isinstance(settings.get(key), dict)]
        if lacking:
            raise RunError(f"{self.path / 'config.json'} is damaged: it lacks {', '.join(lacking)}")
        return {**settings, "options": current_names(settings["options"], str(self.path / "config.json"))}

    @property
    def environment(self) -> dict[str, Any]:
        """environment.json: versions, machine, threads, command."""
        return self._json("environment.json")

    @property
    def config(self) -> TrainConfig:
        """The options of the run."""
        return TrainConfig.from_dict(self.settings["options"], str(self.path / "config.json"))

    @property
    def network_name(self) -> str:
        """The network's name in the catalogue, or of its class."""
        return str(self.settings["network"]["name"])

    @property
    def data_name(self) -> str:
        """Where the images came from."""
        return str(self.settings["data"]["source"])

    @property
    def metrics(self) -> list[dict[str, float | None]]:
        """The rows of metrics.csv, one per finished epoch; empty cells are None."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return [{key: float(row[key]) if row[key] else None for key in METRIC_COLUMNS} for row in rows]
        except (KeyError, ValueError, csv.Error) as error:
            raise RunError(f"{path} is damaged: {error!s:.80}") from None

    @property
    def results(self) -> dict[str, Any]:
        """What the best weights reached, by data part, as the model folder states it; empty before the end."""
        path = self.model_folder / CONFIG_FILE
        metrics = self._json(f"model/{CONFIG_FILE}").get("metrics") if path.exists() else {}
        if not isinstance(metrics, dict):
            raise RunError(f"{path} is damaged: its metrics are {metrics!r:.80}")
        return metrics

    def score(self, part: str) -> float | None:
        """The best weights' accuracy on `part`, of numbers R², of quantiles R¹; None where it was not measured."""
        kind = self.score_kind
        value = None if kind is None else self.results.get(part, {}).get(kind)
        return None if value is None else float(value)

    @property
    def score_kind(self) -> str | None:
        """Of `SCORE_NAMES`, what its `score` is; None where nothing was measured."""
        measured = [found for found in self.results.values() if isinstance(found, dict)]
        return next((kind for kind in SCORE_NAMES if any(kind in found for found in measured)), None)

    @property
    def status(self) -> str:
        """Why it ended: `finished`, `interrupted`, `terminated`, `patience`, `time budget` or `failed: …`.

        `running` while a process trains it; `cut off` where that process was killed or the machine went down.
        """
        if is_locked(self._lock_file):
            return "running"
        path = self.events_file
        if not path.exists():
            return CUT_OFF
        lines = path.read_text("utf-8", errors="replace").splitlines()
        try:
            last = json.loads(lines[-1]) if lines else {}
        except ValueError:  # a line that was being written when the run was cut off
            last = {}
        ended = isinstance(last, dict) and last.get("event") == "RunEnded"
        return str(last.get("reason")) if ended else CUT_OFF

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Nobody else trains this run meanwhile. Raises RunError where somebody does."""
        try:
            with locked(self._lock_file, wait=False):
                yield
        except BlockingIOError:
            raise RunError(f"{self.path} is being trained by another process; wait for its end") from None

    def go_back_to(self, state: TrainingState) -> None:
        """Metrics and events as they were when `state` was saved: what followed will happen again.

        Half-written files of the process before are removed.
        """
        for folder in (self.path, self.model_folder, self.state_folder):
            remove_left_overs(folder)
        self.write_metrics(state.rows)
        if self.events_file.exists() and self.events_file.stat().st_size > state.event_bytes:
            os.truncate(self.events_file, state.event_bytes)

    def move_data(self, name: str, source: str) -> None:
        """Note where the images lie now, which are the same as before."""
        settings = self.settings
        settings["data"] = {**settings["data"], "name": name, "source": source}
        write_json(self.path / "config.json", settings)

    def load(self, device: torch.device | str = "cpu", network: nn.Module | None = None) -> TrainedModel:
        """The best network in evaluation mode, with class names and preprocess.

        A network from outside the catalogue is passed as `network` and filled with the weights.
        """
        return load_model(self.model_folder, device, network)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Write metrics.csv anew with a header and `rows`."""
        path = self.path / "metrics.csv"
        with naming(path), path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, METRIC_COLUMNS)
            writer.writeheader()
            writer.writerows(_cells(row) for row in rows)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a row to metrics.csv."""
        path = self.path / "metrics.csv"
        with naming(path), path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, METRIC_COLUMNS).writerow(_cells(row))

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {str(error)[:80]}") from None
        if not isinstance(content, dict):
            raise RunError(f"{path} is damaged: it is no JSON object")
        return content

    def studio(self, height: int = 900) -> Any:
        """The studio on this run, in a frame of a notebook `height` pixels high; it ends with the notebook.

        Raises UsageError where FastAPI or uvicorn is not installed (`pip install 'convnets[studio]'`).
        """
        return renderer(self, "studio")(self, height)

    def _repr_html_(self) -> str:
        return renderer(self, "html")(self)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """A row as CSV cells: None is an empty cell, a truth is 0 or 1."""
    cells = {key: row[key] for key in METRIC_COLUMNS}
    return {
        key: "" if value is None else int(value) if isinstance(value, bool) else value
        for key, value in cells.items()
    }
