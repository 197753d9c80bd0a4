"""Workplace: what all routes of the studio share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends

from convnets.data.sources import list_data
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal
from convnets.studio.desk import Desk
from convnets.studio.library import Library, Opened
from convnets.studio.run_facts import RunList
from convnets.studio.training import Trainers

__all__ = ["Asked", "Closable", "Where", "Workplace", "code"]


@dataclass(frozen=True)
class Where:
    """What a view is looking at: the part of a request's query that all of them share."""

    run: str
    epoch: int | None = None
    """None for the best weights."""
    part: str | None = None
    """None for the last part that is there."""
    image: int = 0


Asked = Annotated[Where, Depends()]


class Closable(Protocol):
    """What ends with the studio."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Workplace:
    """Everything that lives as long as the studio."""

    library: Library
    runs: RunList
    desk: Desk
    trainers: Trainers
    lab: Any
    """The lab's experiments under way."""
    limits: Limits
    read_only: bool
    any_data: bool = True
    """Whether runs may be begun on any folder of this machine: only where nobody else can ask."""

    def check_data(self, data: str | None) -> None:
        """Raise Refusal 403 for a folder that is neither a data set, nor that of a run, nor the studio's own."""
        known = {entry.name for entry in list_data()} | {row.get("source") for row in self.runs.rows()}
        if not self.any_data and data is not None and data not in known | {self.library.data}:
            raise Refusal(
                403,
                f"{data[:80]} is neither a data set nor that of a run; a studio that others reach trains on nothing "
                "else: begin the run with convnets train, or start the studio with --data",
            )

    def check_writable(self) -> None:
        """Raise Refusal 403 in a studio that only shows."""
        if self.read_only:
            raise Refusal(403, "this studio only shows (--read-only); start it without to train")

    def open(self, where: Where) -> Opened:
        """The run, at its epoch, with the image."""
        return self.library.open(where.run, where.epoch, where.part, where.image)

    def path(self, run: str) -> Path:
        """Where a run lies, as one would type it."""
        return self.library.folder / run

    def close(self) -> None:
        """End all work; runs under way save themselves."""
        self.desk.close()
        self.lab.close()
        self.trainers.close()


def code(python: str, command: str | None = None) -> dict[str, str | None]:
    """What makes the same numbers outside the studio: lines of Python, and a command where there is one."""
    return {
        "python": "\n".join(line.rstrip() for line in python.strip().splitlines()) + "\n",
        "command": command,
    }
