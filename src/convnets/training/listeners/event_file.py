"""Events as lines of JSON: in events.jsonl, and on standard output for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from convnets.core.storage.files import json_text, naming
from convnets.training.events import Event, StepEnded

__all__ = ["EventFile", "JsonLines"]


class EventFile:
    """Appends every event but the many StepEnded to a file, each line at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        if not isinstance(event, StepEnded):
            with naming(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(json_text(event.to_dict()) + "\n")


class JsonLines:
    """Writes every event as a line of JSON to a stream and flushes it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, event: Event) -> None:
        self.stream.write(json_text(event.to_dict()) + "\n")
        self.stream.flush()
