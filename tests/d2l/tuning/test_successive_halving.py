"""Successive halving against rounds that are followed by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from convnets import d2l
from convnets.errors import ConfigError


class Counting(d2l.HPOSearcher):
    """Configurations 0, 1, 2 … whose error is their number's place in a fixed order."""

    def __init__(self) -> None:
        self.drawn, self.told = 0, list[tuple[dict[str, Any], float]]()

    def sample_configuration(self) -> dict[str, Any]:
        self.drawn += 1
        return {"x": self.drawn - 1}

    def update(self, config: dict[str, Any], error: float, additional_info: Any = None) -> None:
        self.told.append((config, error))


def run(scheduler: d2l.SuccessiveHalvingScheduler, trials: int) -> list[tuple[int, int]]:
    """(x, epochs) of each trial; the error of x is the distance from 3."""
    seen = []
    for _ in range(trials):
        config = scheduler.suggest()
        seen.append((config["x"], config["max_epochs"]))
        scheduler.update(config, abs(config["x"] - 3))
    return seen


def test_a_round_by_hand() -> None:
    scheduler = d2l.SuccessiveHalvingScheduler(Counting(), eta=2, r_min=1, r_max=4)
    assert (scheduler.K, scheduler.rung_levels) == (2, [1, 2, 4])
    seen = run(scheduler, 8)
    assert seen[:4] == [(3, 1), (2, 1), (1, 1), (0, 1)]  # the last that was drawn comes first
    assert seen[4:6] == [(2, 2), (3, 2)]  # the better half, of which the worse is tried first
    assert seen[6] == (3, 4)
    assert seen[7] == (7, 1)  # a new round
    rungs = scheduler.all_observed_error_at_rungs
    assert {epochs: len(found) for epochs, found in rungs.items()} == {1: 5, 2: 2, 4: 1}
    assert scheduler.observed_error_at_rungs[2] == []
    assert len(scheduler.searcher.told) == 8
    assert scheduler.searcher.told[0] == ({"x": 3, "max_epochs": 1}, 0)


@pytest.mark.parametrize(
    ("eta", "r_min", "r_max", "rungs"),
    [
        (2, 2, 10, [2, 4, 8, 10]),
        (3, 1, 81, [1, 3, 9, 27, 81]),
        (10, 1, 1000, [1, 10, 100, 1000]),
        (2, 5, 5, [5]),
    ],
)
def test_rungs(eta: int, r_min: int, r_max: int, rungs: list[int]) -> None:
    scheduler = d2l.SuccessiveHalvingScheduler(Counting(), eta=eta, r_min=r_min, r_max=r_max)
    assert scheduler.rung_levels == rungs
    scheduler.suggest()
    assert len(scheduler.queue) + 1 == eta ** (len(rungs) - 1)


def test_prefact_widens_a_round_and_the_searchers_configuration_is_left_alone() -> None:
    first = {"x": 3}
    searcher = d2l.RandomSearcher({"x": 0}, initial_config=first)  # type: ignore[dict-item]
    searcher.sample_configuration = lambda: first  # type: ignore[method-assign]
    scheduler = d2l.SuccessiveHalvingScheduler(searcher, eta=2, r_min=1, r_max=2, prefact=3)
    assert [epochs for _, epochs in run(scheduler, 9)] == [1] * 6 + [2] * 3
    assert first == {"x": 3}


def test_an_error_that_is_no_number_is_not_promoted() -> None:
    scheduler = d2l.SuccessiveHalvingScheduler(Counting(), eta=2, r_min=1, r_max=2)
    for error in (math.nan, 0.9):
        scheduler.update(scheduler.suggest(), error)
    assert scheduler.suggest() == {"x": 0, "max_epochs": 2}


def test_scheduler_and_tuner_together(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = d2l.SuccessiveHalvingScheduler(Counting(), eta=2, r_min=2, r_max=8)
    tuner = d2l.HPOTuner(scheduler=scheduler, objective=lambda x, max_epochs: abs(x - 1) / max_epochs)
    tuner.run(number_of_trials=7)
    assert tuner.incumbent == {"x": 1, "max_epochs": 2}
    assert "Trial 6: config = {'x': 1, 'max_epochs': 8}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"eta": 1}, "allowed: eta above 1, and whole numbers 1 ≤ r_min ≤ r_max"),
        ({"r_min": 9}, "eta, r_min, r_max are 2, 9, 8; allowed"),
        ({"eta": 1.5, "r_min": 1}, "eta is 1.5: a rung of 1.5 epochs; allowed: whole numbers"),
        ({"prefact": 0.1}, "prefact is 0.1: no configuration fits on the first rung; allowed: 0.25 or more"),
    ],
)
def test_rungs_that_are_none_are_refused(named: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        d2l.SuccessiveHalvingScheduler(Counting(), **{"eta": 2, "r_min": 2, "r_max": 8, **named})
