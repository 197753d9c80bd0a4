"""Intervals of shares, against SciPy and against counting in simulated repetitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from convnets.errors import InputError
from convnets.evaluation.intervals import paired_difference, wilson_interval


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (0, 30), (30, 30), (7, 30), (860, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_scipys(hits: int, count: int, level: float) -> None:
    theirs = binomtest(hits, count).proportion_ci(level, method="wilson")
    assert wilson_interval(hits, count, level) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_paired_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    numbers = np.random.default_rng(0)
    cells = numbers.multinomial(200, [0.80, 0.03, 0.09, 0.08], size=4000)  # both, gained, lost, neither
    ends = [paired_difference(int(gained), int(lost), 200) for _, gained, lost, _ in cells]
    held = np.mean([low <= 0.03 - 0.09 <= high for low, high in ends])
    assert 0.94 < held < 0.97


def test_a_change_of_nothing_still_has_an_interval() -> None:
    low, high = paired_difference(0, 0, 100)
    assert low == -high
    assert 0.01 < high < 0.03


@pytest.mark.parametrize("counts", [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="allowed"):
        wilson_interval(*counts)


def test_impossible_changes_and_levels_are_refused() -> None:
    with pytest.raises(InputError, match="allowed"):
        paired_difference(3, 3, 5)
    with pytest.raises(InputError, match="level is 1"):
        wilson_interval(1, 2, 1.0)
