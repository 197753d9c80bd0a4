"""Interruption: Ctrl-C and SIGTERM are remembered until a step's boundary, where the run can be saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["INTERRUPTED", "TERMINATED", "Interruption"]

INTERRUPTED, TERMINATED = "interrupted", "terminated"
_SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Interruption:
    """Whether the run was asked to end, and how.

    >>> asked = Interruption()
    >>> asked.reason is None
    True
    >>> asked.request()
    >>> asked.reason
    'interrupted'
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    def is_asked(self) -> bool:
        """Whether the run is to end."""
        return self.reason is not None

    def request(self, reason: str = INTERRUPTED) -> None:
        """Ask the run to save itself and end at the next step's boundary."""
        self.reason = self.reason or reason

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
        if self.reason is not None:
            raise KeyboardInterrupt
        self.request(_SIGNALS[signal.Signals(number)])
