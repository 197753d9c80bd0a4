"""Calls take turns, and each has its own time."""

from __future__ import annotations

import time

import pytest

from convnets.benchmarking.measures.alternating import alternating_medians
from convnets.errors import ConfigError


def test_calls_take_turns_and_one_slow_round_changes_nothing() -> None:
    order: list[str] = []

    def first() -> None:
        order.append("a")
        time.sleep(0.05 if len(order) == 5 else 0.002)

    def second() -> None:
        order.append("b")
        time.sleep(0.006)

    found = alternating_medians({"a": first, "b": second}, rounds=3, seconds=0.0)
    assert order == list("abababab")  # a warm-up, then three rounds
    assert 0.002 <= found["a"] < 0.05
    assert found["b"] >= 0.006


def test_rounds_have_to_be() -> None:
    with pytest.raises(ConfigError, match="rounds is 0; allowed: 1 or more"):
        alternating_medians({"a": int}, rounds=0)
