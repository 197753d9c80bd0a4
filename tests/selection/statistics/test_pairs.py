"""Tests on pairs against SciPy, sums of binomials, and simulated power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from convnets.errors import InputError
from convnets.selection.statistics.holm import holm
from convnets.selection.statistics.intervals import t_interval
from convnets.selection.statistics.pairs import (
    compare_folds,
    compare_seeds,
    mcnemar,
    probability_of_better,
    seeds_to_decide,
)

FIRST, SECOND = [0.91, 0.92, 0.94, 0.93], [0.90, 0.92, 0.92, 0.90]


def test_the_paired_t_test_is_scipys() -> None:
    assert compare_seeds(FIRST, SECOND).p_value == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue)
    assert compare_seeds(FIRST, FIRST).p_value == 1.0
    assert compare_seeds([1, 2], [0, 1]).p_value == 0.0


def test_the_corrected_test_is_the_formula() -> None:
    differences = np.subtract(FIRST, SECOND)
    statistic = differences.mean() / math.sqrt((1 / 4 + 1 / 3) * differences.var(ddof=1))
    expected = 2 * stats.t.sf(statistic, 3)
    assert compare_folds(FIRST, SECOND, 1 / 3).p_value == pytest.approx(expected)


@pytest.mark.parametrize(("only_first", "only_second"), [(10, 2), (3, 3), (0, 6), (40, 61), (0, 0)])
def test_mcnemar_is_a_sum_of_binomials(only_first: int, only_second: int) -> None:
    one = [True] * only_first + [False] * only_second + [True, False]
    two = [False] * only_first + [True] * only_second + [True, False]
    count, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count
    found = mcnemar(one, two)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))


def test_the_chance_of_being_better_counts_ties_a_half() -> None:
    assert probability_of_better([3, 1, 2, 2], [1, 2, 1, 2]).estimate == (2 + 0.5) / 4


def test_the_number_of_seeds_has_the_power_that_it_promises() -> None:
    """With the two methods' own spreads as the truth."""
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.92, 0.01, 30), generator.normal(0.912, 0.01, 30)
    needed = seeds_to_decide(first.tolist(), second.tolist())
    assert needed is not None
    gap, spread = (first - second).mean(), (first - second).std(ddof=1)

    def power(count: int) -> float:
        drawn = generator.normal(gap, spread, (10_000, count))
        t = drawn.mean(1) / (drawn.std(1, ddof=1) / math.sqrt(count))
        return float((abs(t) > stats.t.ppf(0.975, count - 1)).mean())

    widths = [
        stats.t.ppf(0.975, n - 1) * (first.std(ddof=1) + second.std(ddof=1)) / math.sqrt(n)
        for n in (needed - 1, needed)
    ]
    assert power(needed) >= 0.78
    assert widths[1] < gap
    assert power(needed - 1) < 0.82 or widths[0] >= gap


def test_equal_methods_are_never_decided() -> None:
    assert seeds_to_decide([1, 2, 3], [1, 2, 3]) is None
    assert seeds_to_decide([1, 2, 3, 4], [1.001, 2, 3, 3.998]) is None


def test_holm_by_hand_and_over_many_experiments() -> None:
    assert holm([0.04, 0.01, 0.03, 0.005]) == [0.06, 0.03, 0.06, 0.02]
    assert holm([]) == []
    p = np.random.default_rng(0).random((2000, 6))
    false = sum(min(holm(row.tolist())) < 0.05 for row in p) / 2000
    assert false <= 0.06
    with pytest.raises(InputError, match="from 0 to 1"):
        holm([1.2])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="3 and 2 values"):
        compare_seeds([1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="the same images"):
        mcnemar([True], [True, False])


def test_a_difference_is_that_of_its_interval() -> None:
    expected = t_interval(np.subtract(FIRST, SECOND).tolist())
    assert compare_seeds(FIRST, SECOND).difference == expected


def test_of_several_comparisons_more_seeds_are_needed_and_those_decide() -> None:
    generator = np.random.default_rng(0)
    first, second = [0.91, 0.93, 0.92], [0.92, 0.90, 0.91]
    needed = {many: seeds_to_decide(first, second, comparisons=many) for many in (1, 10)}
    assert needed[1] is not None
    assert needed[10] is not None
    assert needed[10] > needed[1]
    gap, spread = 0.01, float(np.std(np.subtract(first, second), ddof=1))
    found = 0
    for _ in range(2000):  # the same normal differences again and again, at Bonferroni's level
        drawn = generator.normal(gap, spread, needed[10])
        found += stats.ttest_1samp(drawn, 0).pvalue < 0.05 / 10
    assert found / 2000 >= 0.77  # power 0.8, less three standard errors
