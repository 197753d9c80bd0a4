"""Quantiles on the whole route: trained, resumed to the bit, evaluated, in folds; several numbers, several steps."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from convnets.checkpoints.table_model import load_table_model
from convnets.cli.main import run as run_command
from convnets.errors import ConvnetsError
from convnets.selection.folds.table_folds import cross_validate_table
from convnets.series.load_series import load_series
from convnets.serving.table_predictor import TablePredictor
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, RunStarted, StopRun, TableEvaluated
from convnets.training.runs.run import Run
from convnets.training.tables.table_task import prepare_table
from convnets.training.train import resume, train

LEVELS = (0.1, 0.5, 0.9)
CONFIG = TrainConfig(
    epochs=30, batch_size=32, learning_rate=0.02, weight_decay=0.0, loss="pinball", quantiles=LEVELS
)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows of two numbers: the noise of the first one grows with x, the second one is above 0 and has none."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 600)
    u = 100 + 50 * x + (2 + 20 * x) * rng.normal(size=600)
    path = tmp_path_factory.mktemp("noisy") / "noisy.csv"
    pd.DataFrame({"x": x, "half": np.where(x < 0.5, "low", "high"), "u": u, "v": np.exp(3 * x)}).to_csv(
        path, index=False
    )
    return path


@pytest.fixture(scope="module")
def trained(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Event]]:
    """A run on both numbers, and what it reported."""
    events: list[Event] = []
    table = load_table(noisy, ["u", "v"], drop=["half"])
    out = tmp_path_factory.mktemp("runs")
    return train(
        "mlp", table, CONFIG, output=out, arguments={"widths": [16]}, listeners=[events.append]
    ), events


def test_a_run_chooses_by_pinball_and_stands_beside_models_of_the_same_loss(
    trained: tuple[Run, list[Event]],
) -> None:
    run, events = trained
    (started,) = (each for each in events if isinstance(each, RunStarted))
    assert started.objective == "quantiles"
    (judged,) = (each for each in events if isinstance(each, TableEvaluated))
    assert list(judged.figures) == ["mlp", "training quantiles", "linear model", "gradient boosting"]
    assert run.results["validation"]["r1"] == judged.figures["mlp"]["r1"] == run.score("validation")
    assert run.score("validation") > 0.5  # type: ignore[operator]
    ended = [each for each in events if isinstance(each, EpochEnded)]
    best = max(ended, key=lambda each: each.validation_accuracy or 0.0)
    assert run.results["epoch"] == best.epoch
    assert best.validation_accuracy == pytest.approx(run.score("validation"), rel=1e-5)
    page = run.report.read_text("utf-8")
    assert "pinball of q0.1, q0.5, q0.9; accuracy below is R¹" in page
    assert load_table_model(run.model_folder).target.quantiles == LEVELS


def test_the_interval_follows_the_noise_and_holds_its_share(
    trained: tuple[Run, list[Event]], noisy: Path
) -> None:
    predictor = TablePredictor.load(trained[0].path)
    judged = predictor.evaluate(noisy, baselines=False)
    of_u = judged.evaluation.of_quantiles["u"]  # type: ignore[union-attr]
    assert of_u["coverage"] == pytest.approx(0.8, abs=0.06)
    x, rows = pd.read_csv(noisy)["x"], predictor.predict(noisy)
    assert list(rows[0].values) == [f"{name} q{level:g}" for name in "uv" for level in LEVELS]
    width = np.array([float(row.values["u q0.9"]) - float(row.values["u q0.1"]) for row in rows])
    true = 2 * 1.2816 * (2 + 20 * x)  # between the 10 % and the 90 % quantile of normal noise
    assert width[x > 0.8].mean() == pytest.approx(true[x > 0.8].mean(), rel=0.25)
    assert width[x < 0.2].mean() < width[x > 0.8].mean() / 2
    found = np.array([[float(each) for each in row.values.values()] for row in rows]).reshape(600, 2, 3)
    assert bool((np.diff(found, axis=2) >= 0).all())


def test_a_stopped_run_goes_on_to_the_same_weights(
    trained: tuple[Run, list[Event]], noisy: Path, tmp_path: Path
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise StopRun

    table = load_table(noisy, ["u", "v"], drop=["half"])
    stopped = train("mlp", table, CONFIG, output=tmp_path, arguments={"widths": [16]}, listeners=[stop])
    done = resume(stopped.path, listeners=())
    ours, theirs = (load_table_model(each.model_folder).network.state_dict() for each in (trained[0], done))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_logarithms_and_folds(noisy: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        epochs=8, batch_size=32, learning_rate=0.05, loss="log-pinball", quantiles=(0.25, 0.75)
    )
    table = load_table(noisy, "v", drop=["half", "u"])
    found = cross_validate_table("linear", table, config, folds=2, output=tmp_path, listeners=())
    assert set(found.figures["linear"]) >= {"pinball", "r1", "coverage", "width"}
    assert "pinball: linear is" in str(found)
    predictor = TablePredictor.load(tmp_path / "cross-validation-linear-noisy" / "folds" / "repeat1-fold1")
    assert min(float(row.values["v q0.25"]) for row in predictor.predict(noisy)) > 0
    assert predictor.evaluate(noisy).evaluation.loss < 0.1  # of logarithms, in standard deviations


def test_several_steps_of_a_series(tmp_path: Path) -> None:
    steps = np.arange(260)
    x = np.sin(2 * np.pi * steps / 12) + np.random.default_rng(0).normal(0, 0.1, 260)
    pd.DataFrame({"x": x}).to_csv(tmp_path / "tide.csv", index=False)
    series = load_series(tmp_path / "tide.csv", "x", window=24, horizon=3, period=12)
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02, loss="pinball")
    run = train("linear", series, config, output=tmp_path, name="tide", listeners=())
    judged = TablePredictor.load(run.path).evaluate()
    assert judged.figures["linear"]["r1"] == pytest.approx(run.score("validation"))
    assert list(judged.figures)[1:] == [
        "training quantiles", "linear model", "gradient boosting", "value 12 steps before",
    ]  # fmt: skip
    assert list(judged.evaluation.of_quantiles) == ["x +1", "x +2", "x +3"]  # type: ignore[union-attr]
    answers = TablePredictor.load(run.path).predict(tmp_path / "tide.csv")
    assert list(answers[-1].values) == [f"x +{ahead} q{level:g}" for ahead in (1, 2, 3) for level in LEVELS]


def ended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run_command([str(each) for each in arguments])
    return left.value.code, *capsys.readouterr()


def test_the_commands(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ("train", "linear", "--data", noisy, "--epochs", 2, "--output", tmp_path, "--loss", "pinball")
    given = ("--target", "u", "--drop", "half,v", "--quantiles", "0.05,0.95", "--name", "r")
    code, out, err = ended(capsys, *shared, *given)
    assert code == 0, err
    assert "R¹" in out
    assert Run(tmp_path / "r").config.quantiles == (0.05, 0.95)
    code, out, err = ended(capsys, "evaluate", tmp_path / "r")
    assert "in q0.05–q0.95" in out
    found = json.loads(ended(capsys, "evaluate", tmp_path / "r", "--json")[1])
    assert found["quantiles"]["u"]["nominal"] == 0.9
    rows = list(csv.DictReader(io.StringIO(ended(capsys, "predict", tmp_path / "r", noisy, "--csv")[1])))
    assert (len(rows), list(rows[0])) == (600, ["row", "u q0.05", "u q0.95"])
    for wrong, message in (
        (("--target", "half"), "loss is pinball and half holds classes"),
        (("--target", "u", "--quantiles", "a"), "quantiles is 'a'; allowed: numbers with commas"),
        (("--target", "u", "--quantiles", "0.9,0.1"), "each once and rising, such as 0.1,0.9"),
    ):
        code, _, err = ended(capsys, *shared, *wrong, "--name", "w")
        assert code == 2
        assert message in err
        assert err.count("\n") == 1


def test_images_and_prices_of_0_are_refused(noisy: Path) -> None:
    with pytest.raises(ConvnetsError, match="loss is 'pinball' on images; allowed for tables alone"):
        train("mlp", "digits", CONFIG)
    table = load_table(np.array([[1.0, 0.0], [2.0, 5.0], [4.0, 7.0]] * 5), "x2")
    config = TrainConfig(loss="log-pinball")
    with pytest.raises(ConvnetsError, match=r"x2 is 0 in row 1, and log-pinball takes its.*such as pinball"):
        prepare_table("linear", table, config)
