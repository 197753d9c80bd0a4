"""Commands that look into networks of tables and series, and the Hub's folder of their runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import yaml
from huggingface_hub import ModelCard
from scipy.stats import binomtest, bootstrap

from convnets.checkpoints.table_model import load_table_model
from convnets.cli.main import run as run_command
from convnets.core.storage.files import sha256_of_file
from convnets.errors import UsageError
from convnets.evaluation.intervals import number_intervals
from convnets.series.load_series import load_series
from convnets.serving.export.rows.rows_hub import export_rows_hub
from convnets.serving.health import examine_health
from convnets.serving.table_predictor import TablePredictor
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on tables, of a number and of classes, and on windows of a series."""
    folder, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=90), "b": rng.choice(["x", "y"], 90), "day": "2024-01-31"})
    table["y"] = 3 * table.a + (table.b == "x") + rng.normal(size=90) / 2
    table["kind"] = np.where(table.y > 0, "up", "down")
    table.to_csv(folder / "table.csv", index=False)
    pd.DataFrame({"tide": np.sin(np.arange(90) / 3).round(4)}).to_csv(folder / "tide.csv", index=False)
    config = TrainConfig(epochs=2, validation=0.3, learning_rate=0.05)
    for name, target, other in (("number", "y", "kind"), ("classes", "kind", "y")):
        rows = load_table(folder / "table.csv", target, drop=[other])
        train("linear" if name == "number" else "mlp", rows, config, output=folder, name=name, listeners=())
    windows = load_series(folder / "tide.csv", "tide", window=16, horizon=2)
    train("tcn", windows, config, output=folder, name="windows", listeners=())
    return folder


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as status:
        run_command([str(each) for each in arguments])
    return status.value.code, *capsys.readouterr()


def test_looking_into_networks(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, shown in (
        (("summary", runs / "number"), "linear, input 6\n"),
        (("summary", runs / "windows"), "tcn, input 1×16\n"),
        (("summary", runs / "windows", "--input", "40"), "tcn, input 1×40\n"),
        (("summary", "resnet1d", "--input", "2x64"), "resnet1d, input 2×64\n"),
        (("summary", "tcn", "--sizes", "64,96"), "1×96  10"),
        (("field", runs / "windows"), "* larger than the series, 16 steps"),
        (("draw", runs / "classes", "-o", tmp_path / "a.svg"), "mlp: 4 operations"),
        (("draw", runs / "windows", "-o", tmp_path / "b.svg", "--style", "volumes"), "picture:"),
        (("diff", runs / "number", runs / "classes"), "linear → mlp"),
        (("health", runs / "classes"), "mlp, 63 rows in training mode"),
        (("health", "lenet1d"), "lenet1d, 128 series of noise in training mode"),
    ):
        status, out, err = command(capsys, *arguments)
        assert (status, shown in out) == (0, True), (arguments, out[:300], err)
    for arguments, line in (
        (("summary", runs / "number", "--input", "3"), "takes rows of 6 numbers; leave it out"),
        (("summary", runs / "number", "--sizes", "3"), "takes rows of 6 numbers; leave it out"),
        (("summary", "tcn", "--input", "1x2x3"), "allowed: C×L such as 2x64"),
        (("field", "tcn", "--layer", "blocks.0"), "of series the table of receptive fields"),
        (("health", runs / "classes" / "model"), "is no run"),
        (("health", runs / "classes", "--seed", "3"), "has its weights already; leave seed out"),
    ):
        status, _, err = command(capsys, *arguments)
        assert (status, line in err, err.count("\n")) == (2, True, 1), (arguments, err)


@pytest.mark.parametrize("name", ["number", "classes", "windows"])
def test_health_is_that_of_the_training_rows(name: str, runs: Path) -> None:
    found = examine_health(runs / name, images=20)
    predictor = TablePredictor.load(runs / name)
    rows = predictor.own_parts()["train"]
    chosen = torch.arange(20) * len(rows) // 20
    inputs = predictor.model.encoder.encode(rows)[chosen]  # type: ignore[arg-type]
    targets = torch.from_numpy(predictor.model.target.encode(rows))[chosen]
    network = predictor.model.network.train()
    loss = (F.cross_entropy if name == "classes" else F.mse_loss)(network(inputs), targets)
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    assert (found.images, found.examples) == (20, rows.nouns)
    assert all(each.gradient is None or each.gradient > 0 for each in found.layers)


def test_the_folder_for_the_hub(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(runs / "classes")
    found = export_rows_hub(run, tmp_path / "hub", repository="ada/kinds", license="mit")
    weights = "model.safetensors"
    assert sha256_of_file(found.path / weights) == sha256_of_file(run.model_folder / weights)
    judged = TablePredictor.load(run.path).evaluate()
    assert (found.rows, found.figures) == (27, judged.figures)
    text = (found.path / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n", 2)[1])
    assert (front["pipeline_tag"], front["license"]) == ("tabular-classification", "mit")
    (result,) = ModelCard.load(found.path / "README.md").data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", judged.figures["mlp"]["accuracy"])
    hits = round(27 * result.metric_value)
    low, high = binomtest(hits, 27).proportion_ci(method="wilson")
    assert f"| accuracy | {hits / 27:.2%}".replace("%", " %") in text
    assert f"{100 * low:.2f} to {high:.2%}".replace("%", " %") in text
    for said in ("gradient boosting", "| b | category | x, y |", "| day | date | mean 2024-01-31", "down, up",
                 'snapshot_download("ada/kinds")', "63", run.settings["data"]["content_hash"]["table"]):  # fmt: skip
        assert said in text, said
    assert str(runs) not in text + (found.path / "config.json").read_text()
    again = TablePredictor.load(found.path).predict(runs / "table.csv")
    assert again == TablePredictor.load(run.path).predict(runs / "table.csv")
    with pytest.raises(UsageError, match=r"README.md exists, and may have been edited"):
        export_rows_hub(run, tmp_path / "hub")

    status, out, err = command(capsys, "export", runs / "number", "--to", "hub", "-o", tmp_path / "number")
    assert status == 0, err
    assert "27 validation examples: linear: rmse" in out
    assert "license: yours to choose" in out
    card = (tmp_path / "number" / "README.md").read_text("utf-8")
    judged = TablePredictor.load(runs / "number").evaluate()
    ends = number_intervals(judged.evaluation.true[:, 0], judged.evaluation.predicted[:, 0])  # type: ignore[union-attr]
    rmse = judged.figures["linear"]["rmse"]
    assert f"| RMSE of y | {rmse:.4g} | {ends['rmse'][0]:.4g} to {ends['rmse'][1]:.4g} |" in card

    status, out, err = command(
        capsys, "export", runs / "number" / "model", "--to", "hub", "-o", tmp_path / "bare", "--json"
    )
    assert (status, json.loads(out)["rows"]) == (0, 0), err
    assert "without its run" in json.loads(out)["note"]
    assert "The recipe is not recorded." in (tmp_path / "bare" / "README.md").read_text("utf-8")
    assert load_table_model(tmp_path / "bare").target.names == ("y",)


def test_windows_overlap_and_have_no_intervals(runs: Path, tmp_path: Path) -> None:
    text = (export_rows_hub(runs / "windows", tmp_path / "hub").path / "README.md").read_text("utf-8")
    assert yaml.safe_load(text.split("---\n", 2)[1])["pipeline_tag"] == "time-series-forecasting"
    assert "no interval is given" in text
    assert "| tide |" in text


def test_bootstrap_intervals_are_scipys() -> None:
    rng = np.random.default_rng(3)
    true = rng.normal(size=80)
    predicted = true + rng.normal(size=80) / 2

    def r2(y: np.ndarray, found: np.ndarray) -> float:
        return float(1 - ((found - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())

    measures = {
        "rmse": lambda y, found: float(np.sqrt(((found - y) ** 2).mean())),
        "mae": lambda y, found: float(np.abs(found - y).mean()),
        "r2": r2,
    }
    own = number_intervals(true, predicted)
    for name, measure in measures.items():
        oracle = bootstrap((true, predicted), measure, paired=True, vectorized=False, method="percentile",
                           n_resamples=4000, rng=np.random.default_rng(0)).confidence_interval  # fmt: skip
        assert own[name] == pytest.approx(tuple(oracle), abs=0.03), name
    assert np.isnan(number_intervals(np.ones(5), np.zeros(5))["r2"]).all()
