"""Standings: real differences are ranked, chance is not."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from convnets.errors import RunError, UnknownNameError, UsageError
from convnets.presentation.standings_table import FORMATS, format_standings
from convnets.selection.comparing.groups import Group
from convnets.selection.comparing.standings import stand


def groups(
    generator: np.random.Generator, means: list[float], seeds: int, shared: float = 0.005
) -> list[Group]:
    common = generator.normal(0, shared, seeds)
    return [
        Group(f"m{place}", dict(enumerate((mean + common + generator.normal(0, 0.005, seeds)).tolist())))
        for place, mean in enumerate(means)
    ]


@pytest.mark.parametrize(("methods", "seeds"), [(2, 3), (2, 10), (3, 5)])
def test_false_rankings_are_at_most_one_in_twenty(methods: int, seeds: int) -> None:
    generator = np.random.default_rng(methods * seeds)
    false = 0
    for _ in range(1000):
        found = stand(groups(generator, [0.92] * methods, seeds))
        false += any(pair.winner is not None for pair in found.pairs)
    assert false / 1000 <= 0.05


def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(0)
    found = [stand(groups(generator, [0.90, 0.93, 0.91], 8)).best for _ in range(50)]
    assert found.count("m1") >= 48


def test_it_refuses_to_rank_where_intervals_overlap() -> None:
    """The paired differences are far from zero, but the spread over seeds is larger than they are."""
    first = Group("a", {0: 0.80, 1: 0.85, 2: 0.90, 3: 0.95})
    second = Group("b", {0: 0.79, 1: 0.842, 2: 0.889, 3: 0.941})
    (pair,) = stand([first, second]).pairs
    assert pair.holm < 0.01
    assert pair.better.estimate == 1
    assert pair.overlap
    assert pair.winner is None
    assert "not decided; about" in pair.verdict()
    assert "no ranking" in str(stand([first, second]))


def test_pairs_are_those_of_the_same_seed_whatever_the_order() -> None:
    first = Group("a", {3: 0.93, 1: 0.91, 2: 0.92, 9: 0.1})
    second = Group("b", {1: 0.90, 2: 0.91, 3: 0.92})
    (pair,) = stand([first, second]).pairs
    assert (pair.pairs, round(pair.difference.estimate, 6)) == (3, 0.01)


def test_folds_are_compared_by_the_corrected_test() -> None:
    values = {"f1": 0.91, "f2": 0.92, "f3": 0.90}
    folds = [
        Group("a", values, 1 / 2),
        Group("b", {k: v - 0.01 + i / 1000 for i, (k, v) in enumerate(values.items())}, 1 / 2),
    ]
    seeds = [Group(each.name, each.values) for each in folds]
    assert stand(folds).pairs[0].p_value > stand(seeds).pairs[0].p_value
    assert stand(folds).methods[0].interval.method == "corrected t"
    assert stand(folds).methods[0].bootstrap is None


def test_every_format_has_the_figures() -> None:
    generator = np.random.default_rng(0)
    found = stand(groups(generator, [0.90, 0.93], 8))
    for form in FORMATS:
        text = format_standings(found, form)
        assert f"{found.methods[0].mean:.4f}" in text
        assert "m1 is better than m0" in text
    rows = list(csv.reader(io.StringIO(format_standings(found, "csv").split("\n\n")[0])))
    assert len({len(row) for row in rows}) == 1
    latex = format_standings(stand([Group("a_b", {0: 1.0, 1: 0.9}), Group("c%", {0: 0.5, 1: 0.3})]), "latex")
    assert r"a\_b" in latex
    assert r"c\%" in latex
    with pytest.raises(UnknownNameError):
        format_standings(found, "word")


def test_what_is_refused() -> None:
    one = Group("a", {0: 0.9, 1: 0.91})
    with pytest.raises(RunError, match="a spread needs 2"):
        stand([Group("a", {0: 0.9})])
    with pytest.raises(RunError, match="0 seeds in common"):
        stand([one, Group("b", {5: 0.9, 6: 0.91})])
    with pytest.raises(RunError, match="different images or folds"):
        stand([one, Group("b", {0: 0.9, 1: 0.91}, pairing="other")])
    with pytest.raises(UsageError, match="no runs to compare"):
        stand([])
    assert [each.name for each in stand([one, one]).methods] == ["a (1)", "a (2)"]
