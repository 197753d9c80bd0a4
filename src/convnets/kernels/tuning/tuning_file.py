"""Measured plans on disk: one JSON file, by machine and by shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convnets.core.storage.files import write_json

__all__ = ["TuningFile"]

_FORMAT = 1


class TuningFile:
    """machine → key of a shape → plain values. Nothing that is wrong with the file stops anybody's work.

    Processes may share it: a write takes up what the others have written, and replaces the file as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, machine: str) -> dict[str, Any]:
        """What is known for `machine`; nothing where the file is missing, damaged or of another format."""
        found = self._machines().get(machine)
        return found if isinstance(found, dict) else {}

    def write(self, machine: str, entries: Mapping[str, Any]) -> bool:
        """Add `entries` to what is known for `machine`; returns whether that could be written."""
        machines = self._machines()
        known = machines.get(machine)
        machines[machine] = {**(known if isinstance(known, dict) else {}), **entries}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"format": _FORMAT, "machines": machines})
        except OSError:
            return False
        return True

    def _machines(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            return {}
        machines = content.get("machines")
        return machines if isinstance(machines, dict) else {}
