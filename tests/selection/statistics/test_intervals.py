"""Intervals: against closed forms and SciPy, and by experiments whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from convnets.errors import InputError
from convnets.evaluation.intervals import paired_difference, wilson_interval
from convnets.selection.statistics.intervals import (
    Interval,
    bootstrap_interval,
    corrected_interval,
    t_interval,
)
from convnets.selection.statistics.pairs import compare_seeds, probability_of_better

REPETITIONS = 1000


def share_that_holds(found: list[Interval], truth: float) -> float:
    return sum(each.low <= truth <= each.high for each in found) / len(found)


def test_students_interval_is_scipys() -> None:
    values = [0.91, 0.93, 0.92, 0.90]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = t_interval(values)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_the_corrected_interval_is_the_formula() -> None:
    values = [0.91, 0.93, 0.92, 0.90, 0.95]
    mean = sum(values) / 5
    variance = sum((value - mean) ** 2 for value in values) / 4
    half = 2.7764451051977987 * math.sqrt((1 / 5 + 1 / 4) * variance)
    found = corrected_interval(values, 1 / 4)
    assert (found.low, found.high) == (pytest.approx(mean - half), pytest.approx(mean + half))


@pytest.mark.parametrize("count", [3, 5, 10])
def test_coverage_of_students_interval(count: int) -> None:
    drawn = np.random.default_rng(count).normal(0.9, 0.01, (REPETITIONS, count))
    assert 0.93 <= share_that_holds([t_interval(row.tolist()) for row in drawn], 0.9) <= 0.97


@pytest.mark.parametrize("count", [8, 12, 30])
def test_coverage_of_resampling(count: int) -> None:
    drawn = np.random.default_rng(count).normal(0.9, 0.01, (REPETITIONS, count))
    found = [bootstrap_interval(row.tolist(), seed=place) for place, row in enumerate(drawn)]
    assert 0.93 <= share_that_holds(found, 0.9) <= 0.97


@pytest.mark.parametrize("folds", [5, 10])
def test_coverage_over_folds_that_share_images(folds: int) -> None:
    """Folds correlated by n₂/(n₁ + n₂), as Nadeau & Bengio have it; the plain interval fails where this one holds."""
    generator = np.random.default_rng(folds)
    share = 1 / folds
    common = generator.normal(0, math.sqrt(share), (REPETITIONS, 1))
    drawn = common + generator.normal(0, math.sqrt(1 - share), (REPETITIONS, folds))
    rows = [row.tolist() for row in drawn]
    corrected = [corrected_interval(row, 1 / (folds - 1)) for row in rows]
    assert 0.93 <= share_that_holds(corrected, 0) <= 0.97
    assert share_that_holds([t_interval(row) for row in rows], 0) < 0.9


def test_coverage_of_a_paired_difference_over_seeds() -> None:
    generator = np.random.default_rng(0)
    seeds = generator.normal(0, 0.02, (REPETITIONS, 5))  # what both share
    first = 0.92 + seeds + generator.normal(0, 0.005, seeds.shape)
    second = 0.91 + seeds + generator.normal(0, 0.005, seeds.shape)
    found = [compare_seeds(a.tolist(), b.tolist()).difference for a, b in zip(first, second, strict=True)]
    assert 0.93 <= share_that_holds(found, 0.01) <= 0.97


@pytest.mark.parametrize(("count", "chance"), [(30, 0.75), (50, 0.6), (100, 0.9)])
def test_coverage_of_the_probability_of_being_better(count: int, chance: float) -> None:
    wins = np.random.default_rng(count).random((REPETITIONS, count)) < chance
    found = [probability_of_better(row.astype(float).tolist(), [0.5] * count) for row in wins]
    assert 0.93 <= share_that_holds(found, chance) <= 0.97


@pytest.mark.parametrize(("count", "share"), [(500, 0.9), (10_000, 0.93)])
def test_coverage_of_a_share_of_images(count: int, share: float) -> None:
    hits = np.random.default_rng(count).binomial(count, share, REPETITIONS)
    ends = [wilson_interval(int(hit), count) for hit in hits]
    assert 0.93 <= sum(low <= share <= high for low, high in ends) / REPETITIONS <= 0.97


def test_coverage_of_a_paired_difference_over_images() -> None:
    generator = np.random.default_rng(0)
    cells = generator.multinomial(2000, [0.04, 0.02, 0.94], REPETITIONS)
    ends = [paired_difference(int(gained), int(lost), 2000) for gained, lost, _ in cells]
    assert 0.93 <= sum(low <= 0.02 <= high for low, high in ends) / REPETITIONS <= 0.97


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_has_no_spread_is_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="2 or more finite numbers"):
        t_interval(values)


def test_other_refusals() -> None:
    with pytest.raises(InputError, match="allowed: 8 or more"):
        bootstrap_interval([1, 2, 3])
    with pytest.raises(InputError, match="allowed: above 0"):
        corrected_interval([1, 2], 0)
    with pytest.raises(InputError, match="between 0 and 1"):
        t_interval([1, 2], 95)
