"""Ticks: the round numbers that Matplotlib's locator finds, never more than asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from matplotlib.ticker import MaxNLocator

from convnets.evaluation.plots.axis import Axis, nice_ticks

_NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(_NUMBERS, st.floats(1e-3, 1e6), st.integers(3, 8), st.booleans())
def test_ticks_are_those_of_matplotlib(low: float, span: float, most: int, whole: bool) -> None:
    assume(span > 1e-4 * abs(low))  # a narrower span far from zero is one of digits that both round away
    high = low + span
    found = nice_ticks(low, high, most, whole)
    theirs = MaxNLocator(most - 1, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=1).tick_values(
        low, high
    )
    inside = [tick for tick in theirs if low - 1e-9 * span <= tick <= high + 1e-9 * span]
    assert 1 <= len(found) <= most
    assert not whole or found == [low] or all(isinstance(tick, int) for tick in found)
    if len(inside) > 1 and len(found) > 1:
        step, other = found[1] - found[0], inside[1] - inside[0]
        assert step <= other * (1 + 1e-6)  # theirs counts the ticks beyond both ends as well
        assert np.allclose(np.diff(found), step, rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.1234, 0.1238, [0.1234, 0.1235, 0.1236, 0.1237, 0.1238]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (3, 3, [3]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_of_known_spans(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_limits_leave_room_and_hold_for_a_single_value() -> None:
    assert Axis(margin=0.1).limits([0.0, 10.0, math.nan]) == (-1.0, 11.0)
    assert Axis().limits([4.0]) == pytest.approx((3.8, 4.2))
    assert Axis().limits([0.0]) == (-0.5, 0.5)
    assert Axis().limits([2.0, 2.0 + 4e-16]) == pytest.approx((1.9, 2.1))
    assert Axis().limits([]) == pytest.approx((-0.05, 1.05))
    assert Axis(low=0.0, high=1.0).limits([5.0]) == (0.0, 1.0)
