"""Rounds: the sides take turns, A B C A B C …, so that a change of the machine's speed touches all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from convnets.benchmarking.measures.slices import Slice

__all__ = ["Runner", "choose_steps", "take_turns"]

_ENOUGH = 0.25  # of a slice's time: so long must a try be that the number of steps is chosen by
_MOST_STEPS = 1_000_000


class Runner(Protocol):
    """A side that runs steps when it is asked to."""

    def run(self, steps: int) -> Slice:
        """Do `steps` steps."""
        ...


def choose_steps(runner: Runner, seconds: float) -> int:
    """Warm the side up, and return how many of its steps take about `seconds`; at least one.

    The first step is not looked at: it makes room, chooses kernels, starts threads. Then 1, 2, 4, … steps are
    tried until a try lasts a quarter of `seconds`.
    """
    runner.run(1)
    steps = 1
    while (tried := runner.run(steps)).seconds < _ENOUGH * seconds and steps < _MOST_STEPS:
        steps *= 2
    return max(1, round(steps * seconds / max(tried.seconds, 1e-9)))


def take_turns(
    runners: Mapping[str, Runner],
    steps: Mapping[str, int],
    rounds: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[Slice, ...]]:
    """`rounds` slices of each side by name, in turn; `progress` is called with (slices done, slices in all)."""
    slices: dict[str, list[Slice]] = {name: [] for name in runners}
    done, total = 0, rounds * len(runners)
    for _ in range(rounds):
        for name, runner in runners.items():
            slices[name].append(runner.run(steps[name]))
            done += 1
            if progress is not None:
                progress(done, total)
    return {name: tuple(each) for name, each in slices.items()}
