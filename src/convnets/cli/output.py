"""How commands write: JSON for scripts, aligned columns for people, files that can be written, progress meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from convnets.core.display.text_table import aligned
from convnets.core.storage.files import json_text
from convnets.errors import RunError, UsageError

__all__ = ["ProgressBar", "aligned", "check_file", "mute", "progress_bar", "write_json"]


def write_json(content: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json_text(content, indent=2))


def mute() -> None:
    """Send standard output nowhere from now on: whoever read it has gone, and what is left must not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def check_file(path: Path | None) -> None:
    """Refuse a file that could not be written, before any work is done for it.

    Raises UsageError for a folder and RunError where nothing can be written; None is nothing to check.
    """
    if path is None:
        return
    if len(os.fsencode(path.name)) > 200:
        raise UsageError(f"file name {path.name[:40] + '…'!r} is too long; allowed: at most 200 bytes")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file in it")
    existing = next(above for above in (path, *path.absolute().parents) if above.exists())
    if existing != path and not existing.is_dir():
        raise RunError(f"{existing} is a file; choose another place for {path.name}")
    if not os.access(existing, os.W_OK):
        raise RunError(f"{path} cannot be written: permission denied; choose another place")


class ProgressBar:
    """A listener for downloads, decoding and evaluation: a transient bar on standard error, from the first call on.

    Nothing is shown where nobody looks, which is when `quiet` or where standard error is no terminal.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if not self._shown:
            return
        if self._bar is None:
            self._start()
        if what not in self._tasks:
            for task in self._tasks.values():
                self._bar.update(task, visible=False)
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._tasks[what], completed=done, total=total)

    def stop(self) -> None:
        """Take the bar off the terminal; others may write there now."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._tasks = None, {}

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._bar.start()


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[ProgressBar]:
    """A ProgressBar that is gone after the block, however that ends."""
    bar = ProgressBar(quiet=quiet)
    try:
        yield bar
    finally:
        bar.stop()
