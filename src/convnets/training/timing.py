"""Timing of a run: its clock against its budget, and the stopwatch of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from convnets.core.distributed.process_group import ProcessGroup
from convnets.data.batches import Batch

__all__ = ["RunClock", "Stopwatch"]

_REPORT_EVERY = 0.1  # seconds between two StepEnded
_WARM_UP_STEPS = 10  # the first steps are slow and say little of the speed
_FORWARD_SHARE = (
    0.5  # of a training step's time; a forward pass takes about a third, and early is better than late
)


class RunClock:
    """Wall-clock time of the run, over all its sessions, against its budget; of several processes, process 0's."""

    def __init__(self, max_minutes: float | None, before: float, group: ProcessGroup) -> None:
        self._group = group
        self.budget = None if max_minutes is None else 60 * max_minutes
        self.reserve = 0.0
        """Seconds kept back for a validation, so that the run ends within its budget."""
        self._measured = False  # whether the reserve is what a validation took
        self._start = time.perf_counter() - before

    def elapsed(self) -> float:
        """Seconds of all sessions."""
        return time.perf_counter() - self._start

    def is_over(self) -> bool:
        """Whether the budget is used up. All processes ask at the same places and get the same answer."""
        return self.budget is not None and self._spent() >= self.budget

    def progress(self, share_of_steps: float) -> float:
        """Share of the run done: of its steps, or of its time where that is further on."""
        if self.budget is None:
            return share_of_steps
        return max(share_of_steps, self._spent() / self.budget)

    def expect_validation(self, step: int, training_seconds: float) -> None:
        """Until a validation was timed: keep back a share of what training on as many images takes."""
        if not self._measured and step >= _WARM_UP_STEPS:
            self.reserve = _FORWARD_SHARE * training_seconds

    def validation_took(self, seconds: float) -> None:
        """Keep back as much for the next one."""
        self.reserve, self._measured = seconds, True

    def _spent(self) -> float:
        """Seconds that are gone or kept back. All processes ask together, and decide by one clock."""
        own = self.elapsed() + self.reserve
        if self._group.size == 1:
            return own
        return self._group.all_reduce_max(round(own * 1e9) if self._group.first else 0) / 1e9


class Stopwatch:
    """Seconds of an epoch: all, those spent waiting for data, and since the last report."""

    def __init__(self, before: float = 0.0, waited: float = 0.0) -> None:
        self.waited = waited
        self._reported = time.perf_counter()
        self._start = self._reported - before

    def total(self) -> float:
        """Seconds of the epoch so far."""
        return time.perf_counter() - self._start

    def report_is_due(self) -> bool:
        """Whether the last report is long enough ago; if so, the next interval begins."""
        now = time.perf_counter()
        due = now - self._reported > _REPORT_EVERY
        if due:
            self._reported = now
        return due

    def without_waiting(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches; the time until each arrives counts as waiting."""
        iterator = iter(batches)
        while True:
            before = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - before
            if batch is None:
                return
            yield batch
