"""Random search over hyper-parameters, as its chapter runs it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats

from convnets import d2l

SPACE = {"learning_rate": stats.loguniform(1e-2, 1), "batch_size": stats.randint(32, 257)}


def searcher() -> d2l.RandomSearcher:
    return d2l.RandomSearcher(SPACE, initial_config={"learning_rate": 0.1, "batch_size": 128})


def tuner(errors: list[Any]) -> d2l.HPOTuner:
    given = iter(errors)
    scheduler = d2l.BasicScheduler(searcher=searcher())
    found = d2l.HPOTuner(scheduler=scheduler, objective=lambda learning_rate, batch_size: next(given))
    found.run(number_of_trials=len(errors))
    return found


def test_trials_are_noted_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    found = tuner([torch.tensor(0.5), 0.75, torch.tensor([0.25])])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Trial 0: config = {'learning_rate': 0.1, 'batch_size': 128}"
    assert lines[1].startswith("    error = 0.5, runtime = ")
    assert lines[4].startswith("Trial 2: config = {'learning_rate': ")
    assert found.incumbent_trajectory == [0.5, 0.5, 0.25]
    assert (found.incumbent, found.incumbent_error) == (found.records[2]["config"], 0.25)
    assert [record["error"] for record in found.records] == [0.5, 0.75, 0.25]
    assert found.cumulative_runtime[-1] == pytest.approx(sum(record["runtime"] for record in found.records))
    assert found.current_runtime == found.cumulative_runtime[-1]


def test_an_error_that_is_no_number_is_the_worst() -> None:
    found = tuner([math.nan, 0.9, math.nan, 0.8])
    assert found.incumbent_error == 0.8
    assert found.incumbent_trajectory[1:] == [0.9, 0.9, 0.8]
    assert math.isnan(found.incumbent_trajectory[0])


def test_searchers_draw_from_their_domains_after_the_first() -> None:
    found = searcher()
    drawn = [found.sample_configuration() for _ in range(20)]
    assert drawn[0] == {"learning_rate": 0.1, "batch_size": 128}
    assert len({config["learning_rate"] for config in drawn}) == 20
    assert all(1e-2 <= config["learning_rate"] <= 1 and 32 <= config["batch_size"] <= 256 for config in drawn)
    found.update(drawn[0], 0.5, additional_info=None)


def test_what_subclasses_have_to_give() -> None:
    for call in (
        d2l.HPOSearcher().sample_configuration,
        d2l.HPOScheduler().suggest,
        lambda: d2l.HPOScheduler().update({}, 0.5),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_the_objective_is_how_often_a_network_is_wrong() -> None:
    error = d2l.hpo_objective_lenet(learning_rate=0.1, batch_size=200, max_epochs=1)
    assert error.ndim == 0
    assert 0 <= float(error) <= 1
    trainer, model = d2l.HPOTrainer(max_epochs=1), d2l.SoftmaxRegression(10, lr=0.01)
    data = d2l.FashionMNIST(batch_size=50)
    trainer.prepare_data(data)
    trainer.prepare_model(model)  # which has learned nothing yet, and so is right at times
    right = d2l.evaluate_accuracy(model, data.val_dataloader())
    assert float(trainer.validation_error()) == pytest.approx(1 - right, abs=1e-6)
    assert 0 < right < 1
