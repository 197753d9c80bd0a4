"""Turns and the length of slices, with sides whose speed is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convnets.benchmarking.measures.rounds import choose_steps, take_turns
from convnets.benchmarking.measures.slices import Slice


class Known:
    """A side whose steps take `step` seconds, the very first one `first` seconds more."""

    def __init__(
        self, slice_: Callable[..., Slice], step: float, first: float = 0.0, log: Any = None
    ) -> None:
        self.make, self.step, self.late = slice_, step, first
        self.log: list[Any] = [] if log is None else log

    def run(self, steps: int) -> Slice:
        self.log.append((self.step, steps))
        late, self.late = self.late, 0.0
        return self.make(steps, steps * self.step + late)


@pytest.mark.parametrize(
    ("step", "steps", "most_tried"),
    [(0.001, 3000, 2100), (0.4, 8, 6), (2.0, 2, 2), (9.0, 1, 2), (1e-9, 3_000_000_000, 2**21)],
)
def test_a_slice_has_as_many_steps_as_take_the_time(
    slice_: Callable[..., Slice], step: float, steps: int, most_tried: int
) -> None:
    side = Known(slice_, step, first=100.0)  # a first step that takes long says nothing
    assert choose_steps(side, 3.0) == pytest.approx(steps, rel=1e-6)
    assert sum(tried for _, tried in side.log) <= most_tried  # the warm-up is about half a slice at most


def test_the_sides_take_turns(slice_: Callable[..., Slice]) -> None:
    log: list[Any] = []
    sides = {name: Known(slice_, step, log=log) for name, step in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    heard: list[tuple[int, int]] = []
    found = take_turns(sides, {"a": 10, "b": 20, "c": 30}, 2, lambda *now: heard.append(now))
    assert log == [(1.0, 10), (2.0, 20), (3.0, 30)] * 2
    assert heard == [(done, 6) for done in range(1, 7)]
    assert {name: [each.images for each in slices] for name, slices in found.items()} == {
        "a": [10, 10],
        "b": [20, 20],
        "c": [30, 30],
    }
