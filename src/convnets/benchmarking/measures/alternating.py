"""Alternating: several calls timed in turn, so that a change of the machine's speed touches all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from convnets.errors import ConfigError

__all__ = ["alternating_medians"]


def alternating_medians(
    calls: Mapping[str, Callable[[], object]], *, rounds: int = 7, seconds: float = 0.05
) -> dict[str, float]:
    """Seconds of each call by name: the median over `rounds`, in each of which every call takes its turn.

    A turn repeats the call for about `seconds`, at least once. Before the first each is called once, which makes room
    and starts threads. Raises ConfigError for less than one round.

    >>> found = alternating_medians({"sum": lambda: sum(range(9)), "none": lambda: None}, rounds=3, seconds=0.001)
    >>> found["none"] < found["sum"]
    True
    """
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}; allowed: 1 or more")
    for call in calls.values():
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(_mean(call, seconds))
    return {name: statistics.median(each) for name, each in found.items()}


def _mean(call: Callable[[], object], seconds: float) -> float:
    times, started = 0, time.perf_counter()
    while True:
        call()
        times += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return elapsed / times
