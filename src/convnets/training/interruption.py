"""Interruption: Ctrl-C and SIGTERM are remembered until a step's boundary, where the run can be saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from convnets.core.distributed.process_group import ALONE, ProcessGroup

__all__ = ["INTERRUPTED", "TERMINATED", "Interruption"]

INTERRUPTED, TERMINATED = "interrupted", "terminated"
_REASONS = (INTERRUPTED, TERMINATED)  # the later one prevails where processes were asked differently
_SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Interruption:
    """Whether the run was asked to end, and how; of several processes one that was asked is enough.

    >>> asked = Interruption()
    >>> asked.reason is None
    True
    >>> asked.request()
    >>> asked.reason
    'interrupted'
    """

    def __init__(self, group: ProcessGroup = ALONE) -> None:
        self.reason: str | None = None
        self._group = group
        self._asked_here = False  # else the reason came from another process, and our own signal is the first

    def is_asked(self) -> bool:
        """Whether the run is to end. All processes ask at the same places and get the same answer."""
        code = 0 if self.reason is None else _REASONS.index(self.reason) + 1
        agreed = self._group.all_reduce_max(code)
        if agreed:  # else a signal may have come in this very moment: it is for the next time
            self.reason = _REASONS[agreed - 1]
        return agreed > 0

    def request(self, reason: str = INTERRUPTED) -> None:
        """Ask the run to save itself and end at the next step's boundary."""
        self.reason = self.reason or reason
        self._asked_here = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first signal as a request; a second one raises KeyboardInterrupt at once.

        Signals reach the main thread only: elsewhere nothing is changed.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._asked_here:
            raise KeyboardInterrupt
        self.request(_SIGNALS[signal.Signals(number)])
