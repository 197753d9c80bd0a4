"""PeakMemory: the most memory that a process and its children held at once, looked at ten times a second."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import psutil

__all__ = ["PeakMemory", "family"]

_INTERVAL = 0.1  # seconds between two looks


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it, itself first; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class PeakMemory:
    """A context manager; after the block `peak` is the largest sum of resident set sizes that was seen, in bytes.

    Pages that several processes share count for each of them.

    >>> import os
    >>> with PeakMemory(os.getpid()) as memory:
    ...     pass
    >>> memory.peak > 0
    True
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        total = 0
        for process in family(self._pid):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        self.peak = max(self.peak, total)
