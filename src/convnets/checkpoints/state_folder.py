"""StateFolder: the states that a run can go on from, each verified, and `latest.json` that names them.

`latest.json` moves only after the state that it names first is on the disk: a process that is killed at any moment
leaves either the old list or the new one, and whatever is not on the list is no state.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import torch

from convnets.checkpoints.training_state import TrainingState
from convnets.core.storage.disk_space import disk_full_message, is_disk_full
from convnets.core.storage.files import remove_left_overs, write_bytes, write_json
from convnets.errors import RunError

__all__ = ["LATEST_FILE", "STATE_VERSION", "StateFolder"]

STATE_VERSION = 2
LATEST_FILE = "latest.json"
_NAME = re.compile(r"epoch-\d+-step-\d+\.pt")


class StateFolder:
    """States of a run, newest first; the last `keep` are kept.

    >>> states = StateFolder(tmp_path / "state")
    >>> states.save(TrainingState(epochs=1, step=20), {"steps": 120}).name
    'epoch-1-step-20.pt'
    >>> states.load()[1]
    {'steps': 120}
    """

    def __init__(self, path: Path | str, keep: int = 2) -> None:
        self.path, self.keep = Path(path), max(1, keep)

    def exists(self) -> bool:
        """Whether anything was saved yet."""
        return (self.path / LATEST_FILE).exists()

    def save(self, state: TrainingState, learner: dict[str, Any]) -> Path:
        """Write position and learner and make them the newest, whole or not at all; returns the state's file.

        Raises RunError when the disk is full; what was there before is still there then.
        """
        content = io.BytesIO()
        torch.save({"format_version": STATE_VERSION, "state": state.to_dict(), "learner": learner}, content)
        data = content.getvalue()
        file = self.path / f"epoch-{state.epochs}-step-{state.step}.pt"
        entry = {
            "file": file.name,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "epochs": state.epochs,
            "step": state.step,
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            before = self._entries() if self.exists() else []
            write_bytes(file, data)
            kept = [entry, *(old for old in before if old["file"] != file.name)][: self.keep]
            write_json(self.path / LATEST_FILE, {"format_version": STATE_VERSION, "states": kept})
        except OSError as error:
            raise _cannot_write(file, len(data), error) from None
        self._remove_all_but({old["file"] for old in kept})
        return file

    def load(self, device: torch.device | str = "cpu") -> tuple[TrainingState, dict[str, Any]]:
        """The newest state, its SHA-256 checked first; never executes code.

        Raises RunError when there is none, or when it is damaged, which names the file.
        """
        if not self.exists():
            raise RunError(f"{self.path} holds no state: the run was cut off before its first save")
        newest, *older = self._entries()
        file = self.path / newest["file"]
        remedy = (
            f"delete it and its entry in {LATEST_FILE} to go on from {older[0]['file']}"
            if older
            else "the best weights are in model/; train again under another name"
        )
        try:
            data = file.read_bytes()
        except OSError as error:
            raise RunError(f"{file} cannot be read: {error.strerror}; {remedy}") from None
        if len(data) != newest["bytes"]:
            raise RunError(f"{file} is damaged: {len(data):,} of {newest['bytes']:,} bytes; {remedy}")
        if hashlib.sha256(data).hexdigest() != newest["sha256"]:
            raise RunError(f"{file} is damaged: its SHA-256 is not that of {LATEST_FILE}; {remedy}")
        try:
            content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
            version = content["format_version"]
            if version == STATE_VERSION:
                return TrainingState.from_dict(content["state"]), content["learner"]
        except Exception as error:  # noqa: BLE001  a damaged pickle raises anything; none may pass as ours
            raise RunError(f"{file} is damaged ({type(error).__name__} while reading it); {remedy}") from None
        raise RunError(f"{file} has format version {version}; this convnets reads {STATE_VERSION}")

    def _entries(self) -> list[dict[str, Any]]:
        path = self.path / LATEST_FILE
        try:
            content = json.loads(path.read_text("utf-8"))
            version = content["format_version"]
            entries = [
                {
                    "file": str(entry["file"]),
                    "bytes": int(entry["bytes"]),
                    "sha256": str(entry["sha256"]),
                    "epochs": int(entry["epochs"]),
                    "step": int(entry["step"]),
                }
                for entry in content["states"]
            ]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(
                f"{path} is damaged ({type(error).__name__}); the best weights are in model/"
            ) from None
        if version != STATE_VERSION:
            raise RunError(f"{path} has format version {version!r}; this convnets reads {STATE_VERSION}")
        if not entries or not all(_NAME.fullmatch(str(entry["file"])) for entry in entries):
            raise RunError(
                f"{path} is damaged: it names no state of this folder; the best weights are in model/"
            )
        return entries

    def _remove_all_but(self, names: set[str]) -> None:
        for path in self.path.iterdir():
            if path.name not in names and _NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
        remove_left_overs(self.path)


def _cannot_write(file: Path, size: int, error: OSError) -> RunError:
    if is_disk_full(error):
        return RunError(disk_full_message(file, size, "the states before it are kept"))
    return RunError(f"{file} cannot be written: {error.strerror}; the states before it are kept")
