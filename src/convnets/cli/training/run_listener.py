"""How commands that train let people, scripts or nobody follow a run, and how they end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from convnets.cli.output import ProgressBar, mute

if TYPE_CHECKING:
    from convnets.training.events import Event, Listener

__all__ = ["EXIT_CODES", "RunListener", "writer"]

EXIT_CODES = {"interrupted": 130, "terminated": 143}
"""By a run's status: 128 and the signal's number, as shells have it."""


class RunListener:
    """Hands events to `write`, or nobody, once the bar of the preparations is off the terminal.

    When standard output is closed, as by `| head`, nobody looks any more: the run ends as Ctrl-C would end it.
    """

    def __init__(self, progress: ProgressBar, write: Listener | None) -> None:
        self.progress = progress
        self.gone = False
        """Standard output was closed."""
        self._write = write

    def __call__(self, event: Event) -> None:
        self.progress.stop()
        if self._write is None or self.gone:
            return
        try:
            self._write(event)
        except (BrokenPipeError, SystemExit):  # rich makes the second of the first
            self.gone = True
            mute()
            raise KeyboardInterrupt from None


def writer(*, json: bool, quiet: bool) -> Listener | None:
    """Who writes the events of a run: as rows, as lines of JSON, or nobody."""
    if quiet:
        return None
    if json:
        from convnets.training.listeners.event_file import JsonLines

        return JsonLines(sys.stdout)
    from convnets.training.listeners.terminal import Terminal

    return Terminal()
