"""How many threads to compute with on a machine that others use too: measured, and again when that changes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import torch

from convnets.core.hardware import Hardware
from convnets.core.processor_wait import seconds_waited_for_a_core

__all__ = ["ThreadPace"]

_WINDOW = 0.1  # seconds of work that are judged together
_WAITED = 0.15  # seconds waited for a core in a second of work: above it, others use the machine
_SLOWER = 1.35  # times the least time that work has taken with this many threads: as good a sign
_TRIAL, _FEWEST = 0.1, 2  # seconds and pieces of work that each number of threads is tried for
_LONG = 0.2  # seconds after which one piece of work is enough of a trial
_GAIN = 0.9  # the present number of threads is kept unless another takes less than this share of its time
_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds between two choices, doubled while they change nothing
_PROBE = (
    3.0  # the same, where nothing is wrong but fewer threads than all are in use: the others may have gone
)


class ThreadPace:
    """Chooses among all of the hardware's threads, half of them, and so on down to one, piece of work by piece.

    Parallel work ends when its last thread ends. Where another process holds a core, that thread waits for it again
    and again, and one thread alone can be several times faster. So where threads wait for cores, or work takes longer
    than it did, the next pieces of work are timed with each number of threads, and the fastest number is kept. While
    fewer threads than all are in use, this is done now and then, since the others may have gone.

    On an idle machine nothing is tried. Nothing is chosen where the number of threads was given (`Hardware.paced`).
    The number is PyTorch's own (`torch.set_num_threads`), which the native kernels follow; after the block it is what
    it was before.

    Args:
        hardware: the number of threads to choose up to, and whether to choose at all.
        changed: called with (threads before, threads now, how many times as fast) where another number is chosen.
        clock, waited: seconds that have passed, and that threads have waited for a core (None: not known).

    >>> with ThreadPace(Hardware(torch.device("cpu"), torch.float32, threads=2, paced=True)) as pace:
    ...     for _ in range(3):
    ...         with pace.working():
    ...             _ = torch.ones(2).sum()
    """

    def __init__(
        self,
        hardware: Hardware,
        changed: Callable[[int, int, float], None] | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        waited: Callable[[], float | None] = seconds_waited_for_a_core,
    ) -> None:
        self.most, self.is_on = hardware.threads, hardware.paced and hardware.threads > 1
        self._changed, self._clock, self._waited = changed, clock, waited
        self._found = self.threads = torch.get_num_threads()
        self._left: list[int] = []  # numbers of threads that are still to be tried
        self._tried: dict[int, float] = {}  # seconds of a piece of work by number of threads
        self._before = self.threads
        self._least: dict[int, float] = {}  # seconds of a piece of work since the last choice
        self._pause, self._chosen_at = 0.0, clock()
        self._seconds, self._timed, self._is_first = 0.0, 0, True
        self._begin_window()

    def __enter__(self) -> ThreadPace:
        self._found = torch.get_num_threads()
        self._chosen_at = self._clock()
        self._begin_window()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if torch.get_num_threads() != self._found:
            torch.set_num_threads(self._found)

    def restore(self, threads: int | None) -> None:
        """Begin with the number of threads that an earlier part of the work ended with."""
        if self.is_on and threads is not None:
            self.threads = threads

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """A piece of work, of which all take about as long."""
        if not self.is_on:
            yield
            return
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        started = self._clock()
        yield
        self._took(self._clock() - started)

    def _took(self, seconds: float) -> None:
        if self._is_first:  # it makes things ready: kernels are chosen, threads started
            self._is_first = False
            self._begin_window()
            return
        self._seconds, self._timed = self._seconds + seconds, self._timed + 1
        if self._left:
            if self._seconds >= _TRIAL and (self._timed >= _FEWEST or self._seconds >= _LONG):
                self._tried[self._left.pop(0)] = self._seconds / self._timed
                self._try_next()
        elif self._seconds >= _WINDOW:
            if self._is_due():
                self._before, self._tried = self.threads, {self.threads: self._seconds / self._timed}
                self._left = [number for number in _numbers(self.most) if number != self.threads]
                self._try_next()
            else:
                self._begin_window()

    def _try_next(self) -> None:
        if self._left:
            self.threads = self._left[0]
        else:
            self._choose()
        self._is_first = True
        self._begin_window()

    def _is_due(self) -> bool:
        """Whether to choose again, by what the window that has just ended tells."""
        mean = self._seconds / self._timed
        least = self._least[self.threads] = min(mean, self._least.get(self.threads, mean))
        waited, before = self._waited(), self._waited_before
        crowded = waited is not None and before is not None and waited - before > _WAITED * self._seconds
        since = self._clock() - self._chosen_at
        if mean > _SLOWER * least or (crowded and self.threads > 1):
            return since >= self._pause
        return self.threads < self.most and since >= max(_PROBE, self._pause)

    def _choose(self) -> None:
        # another number must win clearly, or a run on a busy machine would change it all the time
        best = before = self._before
        for threads, seconds in self._tried.items():
            if seconds < _GAIN * self._tried[best]:
                best = threads
        self.threads, self._least = best, {best: self._tried[best]}
        self._chosen_at = self._clock()
        self._pause = _PAUSE if best != before else min(_LONGEST_PAUSE, max(_PAUSE, 2 * self._pause))
        if best != before and self._changed is not None:
            self._changed(before, best, self._tried[before] / self._tried[best])

    def _begin_window(self) -> None:
        self._seconds, self._timed = 0.0, 0
        self._waited_before = self._waited() if self.is_on else None


def _numbers(most: int) -> list[int]:
    """`most`, half of it, a quarter, …, 1."""
    found = [most]
    while found[-1] > 1:
        found.append(found[-1] // 2)
    return found
