"""What slices say together, worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from convnets.benchmarking.measures.slices import Side, compare_sides

Make = Callable[..., Any]


def test_the_ratio_is_that_of_the_medians_and_its_range_that_within_rounds(side: Make) -> None:
    ours = side("convnets", 1.0, 0.5, 2.0)  # 100, 200, 50 images a second
    other = side("standard", 4.0, 10.0, 5.0)  # 25, 10, 20
    ratio = compare_sides(ours, other)
    assert (ratio.median, ratio.low, ratio.high) == (pytest.approx(100 / 20), pytest.approx(2.5), 20.0)


def test_one_slow_round_moves_neither_median(side: Make) -> None:
    quiet = compare_sides(side("a", 1.0, 1.0, 1.0), side("b", 3.0, 3.0, 3.0))
    disturbed = compare_sides(side("a", 1.0, 50.0, 1.0), side("b", 3.0, 3.0, 90.0))
    assert quiet.median == disturbed.median == pytest.approx(3.0)


def test_sides_of_different_rounds_are_no_pairs(side: Make) -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare_sides(side("a", 1.0, 1.0), side("b", 1.0))


def test_waiting_is_left_out_of_one_figure_alone(slice_: Make) -> None:
    each = slice_(100, 4.0, waiting_seconds=3.0)
    assert (each.images_per_second, each.images_per_second_without_waiting) == (25.0, 100.0)
    assert (
        slice_(100, 4.0, waiting_seconds=4.0).images_per_second_without_waiting > 0
    )  # not a division by zero


def test_a_side_as_json(slice_: Make) -> None:
    slices = (
        slice_(100, 1.0, cpu_seconds=2.0, peak_bytes=10, joules=20.0),
        slice_(100, 2.0, cpu_seconds=3.0, peak_bytes=30, joules=40.0),
        slice_(100, 4.0, cpu_seconds=9.0, peak_bytes=20, joules=90.0),
    )
    found = json.loads(json.dumps(Side("convnets", "bf16", 7, slices, {"native": True}).to_dict()))
    assert len(found.pop("slices")) == 3
    assert found == {
        "name": "convnets",
        "precision": "bf16",
        "steps": 7,
        "images_per_second": 50.0,
        "images_per_second_min": 25.0,
        "images_per_second_max": 100.0,
        "images_per_second_without_waiting": 50.0,
        "cpu_seconds_per_image": 0.03,
        "peak_bytes": 30,
        "joules_per_image": 0.4,
        "kernels": {"native": True},
    }


def test_energy_is_known_of_all_slices_or_of_none(slice_: Make) -> None:
    assert Side("a", "fp32", 1, (slice_(1, 1.0, joules=5.0), slice_(1, 1.0))).joules_per_image is None
