"""Run facts: what the list of runs shows of each, read again only when its files have changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from convnets.errors import ConvnetsError
from convnets.series.examples import KINDS
from convnets.studio.library import Library
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

__all__ = ["RunList", "read_events"]

_FILES = ("config.json", "environment.json", "metrics.csv", "events.jsonl", "model/config.json", ".running")


class RunList:
    """The runs of a library as rows."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._known: dict[str, tuple[object, dict[str, Any]]] = {}

    def rows(self) -> list[dict[str, Any]]:
        """Every run, the newest first; of a damaged one its name and what is wrong."""
        names = self._library.names()
        for gone in set(self._known) - set(names):
            del self._known[gone]
        rows = [self._row(name) for name in names]
        return sorted(rows, key=lambda row: (str(row["started"]), row["name"]), reverse=True)

    def _row(self, name: str) -> dict[str, Any]:
        path = self._library.folder / name
        state = tuple(_state(path / each) for each in _FILES)
        known = self._known.get(name)
        if known is not None and known[0] == state and known[1]["status"] != "running":
            return known[1]
        try:
            row = _facts(Run(path))
        except (ConvnetsError, OSError, KeyError, TypeError, ValueError) as error:
            row = {
                "name": name,
                "status": "damaged",
                "problem": " ".join(str(error).split())[:300],
                "started": "",
            }
        self._known[name] = (state, row)
        return row


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _facts(run: Run) -> dict[str, Any]:
    settings, config, environment = run.settings, run.config, run.environment
    rows = run.metrics
    judged = [row["validation_accuracy"] for row in rows if row["validation_accuracy"] is not None]
    test = run.results.get("test") if isinstance(run.results.get("test"), dict) else {}
    plain = TrainConfig()
    changed = {key: value for key, value in config.to_dict().items() if value != plain.to_dict()[key]}
    status = run.status
    return {
        "name": run.name,
        "status": status.partition(":")[0],
        "problem": status if status.startswith("failed") else None,
        "network": run.network_name,
        "arguments": settings["network"].get("arguments"),
        "parameters": settings["network"].get("parameters"),
        "data": Path(run.data_name).name,
        "source": run.data_name,
        "epochs": len(rows),
        "of_epochs": config.epochs,
        "accuracy": max(judged) if judged else None,
        "test_accuracy": (test or {}).get("accuracy"),
        "seconds": sum(row["seconds"] or 0.0 for row in rows),
        "started": str(environment.get("started", "")),
        "options": changed,
        "seed": config.seed,
        "group": json.dumps(
            [run.network_name, run.data_name, {**changed, "seed": None}], sort_keys=True, default=str
        ),
        "kept": run.epochs_kept,
        "has_model": (run.model_folder / "config.json").is_file(),
        "objective": config.objective,
        "examples": (examples := _examples(settings["data"])),
        # of numbers what is called accuracy is a share of their spread
        "measure": None if examples == "images" or settings["data"].get("classes") else "R²",
    }


def _examples(data: dict[str, Any]) -> str:
    """`images`, `table` or `series`."""
    known = data.get("content_hash") or {}
    return next((kind for kind in KINDS if kind in data or kind in known), "images")


def read_events(run: Run, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Events from byte `start` of events.jsonl on, whole lines only, and where the next reading begins.

    A file that became shorter, of a run that was resumed, is read from its beginning.
    """
    path = run.events_file
    if not path.exists():
        return [], 0
    with path.open("rb") as file:
        if path.stat().st_size < start:
            start = 0
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    found = []
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found, start + len(whole)
