"""What accuracy is weighed against is counted right, and the front is what Optuna and a slow loop say."""

from __future__ import annotations

import random
from pathlib import Path

import optuna
import pytest

from convnets.errors import ConfigError, RunError, UnknownNameError
from convnets.selection.search.costs import pareto_front
from convnets.selection.search.space import Choice, Space
from convnets.selection.search.tune import tune
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

CONFIG = TrainConfig(epochs=1, threads=1, precision="fp32", learning_rate=0.01)
SPACE: Space = {"width": Choice((0.125, 0.5))}


def test_the_front_is_what_nobody_beats() -> None:
    generator = random.Random(0)
    points = [(generator.randint(1, 20), generator.randint(1, 20)) for _ in range(60)]
    slow = {
        one for one in points if not any(a <= one[0] and b >= one[1] and (a, b) != one for a, b in points)
    }
    front = pareto_front(points)
    assert {points[place] for place in front} == slow
    assert front == sorted(front, key=lambda place: points[place])
    study = optuna.create_study(directions=["minimize", "maximize"])
    for values in points:
        study.add_trial(optuna.create_trial(values=list(values)))
    assert {tuple(each.values) for each in study.best_trials} == slow
    assert pareto_front([(1, 0.5), (1, 0.5)]) == [0]


@pytest.mark.parametrize("against", ["macs", "parameters", "seconds"])
def test_costs_are_those_of_the_runs(against: str, tmp_path: Path) -> None:
    own = {"space": SPACE, "sampler": "grid", "against": against, "output": tmp_path, "name": "s"}
    found = tune("mlp", "digits", CONFIG, **own)  # type: ignore[arg-type]
    assert len(found.tried) == 2
    for each in found.tried:
        hidden = round(256 * each.options["width"])
        run = Run(tmp_path / f"s/trials/trial{each.number}")
        expected = {
            "macs": 784 * hidden + hidden * 10,
            "parameters": 784 * hidden + hidden + hidden * 10 + 10,
            "seconds": sum(row["seconds"] or 0 for row in run.metrics),
        }
        assert each.cost == pytest.approx(expected[against])
        assert each.accuracy == run.results["validation"]["accuracy"]
    record = found.to_dict()
    assert record["front"] == [each.number for each in found.front]
    assert record["trials"][0]["cost"] == found.tried[0].cost
    assert f"no other beats in accuracy and {against} alike" in str(found)
    assert found.best.accuracy == max(each.accuracy or 0 for each in found.tried)
    with pytest.raises(RunError, match="was begun with other against"):
        tune("mlp", "digits", CONFIG, **{**own, "against": None, "go_on": True})  # type: ignore[arg-type]


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown cost 'mac'; nearest: macs"):
        tune("mlp", "digits", CONFIG, against="mac")
    with pytest.raises(
        ConfigError, match="pruner is median and accuracy is weighed against macs; allowed: none"
    ):
        tune("mlp", "digits", CONFIG, against="macs", pruner="median")
