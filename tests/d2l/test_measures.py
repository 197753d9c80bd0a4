"""Sums that get fewer or more numbers than they are."""

from __future__ import annotations

from convnets import d2l


def test_an_accumulator_takes_fewer_and_more_numbers() -> None:
    metric = d2l.Accumulator(2)
    metric.add(1, 2, 3)
    metric.add(10)
    metric.add()
    assert (metric[0], metric[1], metric.data) == (11, 2, [11, 2])
