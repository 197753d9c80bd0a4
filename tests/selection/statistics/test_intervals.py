"""Intervals: against closed forms and SciPy, and by experiments whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from convnets.errors import InputError
from convnets.evaluation.intervals import paired_difference, wilson_interval
from convnets.selection.statistics.intervals import (
    BELOW_1,
    FROM_0,
    SHARES,
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


@pytest.mark.parametrize(
    ("folds", "count", "truth"), [(5, 36, 0.97), (5, 114, 0.97), (10, 57, 0.975), (5, 40, 0.7)]
)
def test_coverage_of_accuracies_over_folds(folds: int, count: int, truth: float) -> None:
    """Hits of `count` images a fold, correlated by 1/K through an accuracy that a repetition's folds share."""
    generator = np.random.default_rng(count)
    strength = count * folds - 1  # of the Beta whose variance is p(1 − p)/n · 1/K
    common = generator.beta(truth * strength, (1 - truth) * strength, (2 * REPETITIONS, 1))
    images = round(count * folds / (folds - 1))
    drawn = generator.binomial(images, np.repeat(common, folds, axis=1)) / images
    rows = [row.tolist() for row in drawn]
    found = [corrected_interval(row, 1 / (folds - 1), ends=SHARES) for row in rows]
    assert all(0 <= each.low <= each.estimate <= each.high <= 1 for each in found)
    assert 0.93 <= share_that_holds(found, truth) <= 0.97
    plain = [corrected_interval(row, 1 / (folds - 1)) for row in rows]
    assert share_that_holds(plain, truth) < share_that_holds(found, truth)
    if truth > 0.9:
        assert any(each.high > 1 for each in plain)


def test_an_interval_of_shares_is_the_plain_one_on_the_logit_scale() -> None:
    values = [0.98, 1.0, 0.96, 1.0, 1.0]
    plain, found = t_interval(values), t_interval(values, ends=SHARES)
    mean = sum(values) / 5
    half = (plain.high - mean) / (mean * (1 - mean))
    for end, sign in ((found.low, -1), (found.high, 1)):
        assert end == pytest.approx(1 / (1 + (1 - mean) / mean * math.exp(-sign * half)))
    same = t_interval([1.0, 1.0], ends=SHARES)
    assert (same.low, same.high) == (1, 1)
    with pytest.raises(InputError, match="allowed: between 0 and 1"):
        t_interval([0.5, 1.1], ends=SHARES)


@pytest.mark.parametrize(("folds", "count", "r2"), [(5, 80, 0.5), (5, 20, 0.9), (10, 40, 0.98), (5, 8, 0.9)])
def test_coverage_of_r2_and_of_errors_over_folds(folds: int, count: int, r2: float) -> None:
    """R² of `count` rows a fold, a ratio of sums of squares, with an error of the network's that the folds share."""
    generator = np.random.default_rng(count)
    rows = round(count * folds / (folds - 1))
    strength = (folds - 1) * count / 4  # of the Gamma that makes folds correlated by about 1/K
    common = generator.gamma(strength, 1 / strength, (2 * REPETITIONS, 1))
    errors = (1 - r2) * common * generator.chisquare(rows, (2 * REPETITIONS, folds))
    drawn = 1 - errors / generator.chisquare(rows - 1, errors.shape)
    truth = 1 - (1 - r2) * rows / (rows - 3)  # the mean of 1/χ² is 1/(n − 2)
    found = [corrected_interval(row.tolist(), 1 / (folds - 1), ends=BELOW_1) for row in drawn]
    plain = [corrected_interval(row.tolist(), 1 / (folds - 1)) for row in drawn]
    assert all(each.low <= each.estimate <= each.high < 1 for each in found)
    assert 0.90 <= share_that_holds(found, truth) <= 0.97
    assert share_that_holds(plain, truth) < share_that_holds(found, truth)
    if count <= 20:
        assert any(each.high > 1 for each in plain)
    # an error is as far from 0 as R² is from 1
    mirrored = [corrected_interval((1 - row).tolist(), 1 / (folds - 1), ends=FROM_0) for row in drawn[:20]]
    for one, other in zip(found, mirrored, strict=False):
        assert (other.low, other.high) == (pytest.approx(1 - one.high), pytest.approx(1 - one.low))


@pytest.mark.parametrize(("values", "ends"), [([0.9, 0.99, 1.0], BELOW_1), ([0.1, 2.0, 0.0], FROM_0)])
def test_an_interval_with_one_end_is_the_plain_one_on_the_logarithms_scale(
    values: list[float], ends: tuple[float, float]
) -> None:
    """By a search for the points at which the scale has gone as far as the plain interval's first-order way."""
    plain, found = corrected_interval(values, 1 / 4), corrected_interval(values, 1 / 4, ends=ends)

    def scale(value: float) -> float:
        return math.log(1 - value) if ends == BELOW_1 else math.log(value)

    mean, step = plain.estimate, 1e-6
    slope = abs(scale(mean + step) - scale(mean - step)) / (2 * step)
    for end, other in ((found.low, plain.low), (found.high, plain.high)):
        assert abs(scale(end) - scale(mean)) == pytest.approx(slope * abs(other - mean), rel=1e-6)
    assert found.low < mean < found.high
    same = t_interval([0.5, 0.5], ends=ends)
    assert (same.low, same.high) == (0.5, 0.5)


def test_values_beyond_their_ends_are_refused() -> None:
    with pytest.raises(InputError, match=r"values \[0.5, 1.1\]; allowed: 1 or less"):
        t_interval([0.5, 1.1], ends=BELOW_1)
    with pytest.raises(InputError, match="allowed: 0 or more"):
        corrected_interval([0.5, -0.1], 1 / 4, ends=FROM_0)


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
