"""A grid is tried whole, each combination once, by however many workers, whatever dies."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from convnets.errors import ConfigError
from convnets.selection.search.choice import strengthened
from convnets.selection.search.grid import grid_of, grid_values
from convnets.selection.search.journal import Journal
from convnets.selection.search.space import Choice, Range, Space, default_space
from convnets.selection.search.trials import run_trials

SPACE: Space = {
    "rate": Range(1e-4, 1e-2, log=True),
    "batch": Choice((32, 64)),
    "drop": Range(0, 0.6, points=4),
}


def test_the_grid_is_the_product_in_an_order_by_the_seed() -> None:
    product = itertools.product((1e-4, 1e-3, 1e-2), (32, 64), (0, 0.2, 0.4, 0.6))
    found = [tuple(each.values()) for each in grid_of(SPACE, 0)]
    assert sorted(found) == sorted(product)
    assert found == [tuple(each.values()) for each in grid_of(SPACE, 0)]
    assert found != [tuple(each.values()) for each in grid_of(SPACE, 1)]
    assert grid_values(Range(1, 9, points=1)) == (5,)
    assert grid_values(Range(1, 9, log=True, points=1)) == (3,)
    with pytest.raises(ConfigError, match=r"the grid has 1,000,000 combinations; allowed: 100,000"):
        grid_of({str(n): Choice(tuple(range(10))) for n in range(6)}, 0)
    assert grid_of(default_space("lenet_bn"), 0)  # is small enough


def test_each_combination_is_tried_once_whatever_dies(tmp_path: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    def measure(trial: Any) -> float:
        seen.append(tuple(part.suggest(trial, name) for name, part in SPACE.items()))
        return 0.0

    def opened() -> Journal:
        journal = Journal(tmp_path)
        journal.grid = grid_of(SPACE, 0)
        return journal

    assert run_trials(opened(), measure, 5) == 5
    journal = opened()
    assert journal._queued()
    dead = journal.study.ask()  # killed with one of three options drawn
    rate = SPACE["rate"].suggest(dead, "rate")
    with opened().next_trial(100) as held:  # another worker is at one while this one does the others
        other = tuple(part.suggest(held, name) for name, part in SPACE.items())
        assert run_trials(opened(), measure, 100) == 24 - 5 - 1
        journal.study.tell(held, 0.0)
    assert rate in {each[0] for each in (*seen, other)}
    assert sorted([*seen, other]) == sorted(tuple(each.values()) for each in grid_of(SPACE, 0))
    assert run_trials(opened(), measure, 100) == 0


def test_strength_is_a_factor_within_what_is_allowed() -> None:
    words = ("flip", "crop", "crop:3", "rotate:10", "hue:0.4", "erasing", "resized-crop:0.5")
    assert strengthened(words, 1) == (
        *("flip", "crop", "crop:3", "rotate:10", "hue:0.4", "erasing:0.5", "resized-crop:0.5"),
    )
    assert strengthened(words, 3) == (
        *("flip", "crop", "crop:9", "rotate:30", "hue:0.5", "erasing:1", "resized-crop:0.02"),
    )
