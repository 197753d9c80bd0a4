"""Folds of a table: what scikit-learn itself gets on the same folds, nothing of the held-out rows, and resuming."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from convnets.checkpoints.table_model import load_table_model
from convnets.cli.main import run as run_command
from convnets.core.seeds import derive_seed
from convnets.errors import ConfigError, DataError, RunError
from convnets.selection.folds.table_folds import cross_validate_table
from convnets.selection.statistics.intervals import corrected_interval
from convnets.tables.load_table import load_table
from convnets.tables.table_set import TableSet
from convnets.training.config import TrainConfig
from convnets.training.events import EpochStarted, Event, StopRun

QUICK = TrainConfig(epochs=2, batch_size=16, learning_rate=0.05)


def table(classes: bool = False) -> TableSet:
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = x @ [1.0, -2.0, 0.5]
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.where(y > 0, "p", "n") if classes else y)
    return load_table(frame, "y")


def test_the_linear_model_is_scikit_learns_on_the_same_folds(tmp_path: Path) -> None:
    rows = table()
    found = cross_validate_table("linear", rows, QUICK, folds=3, output=tmp_path, name="f", listeners=())
    x = np.column_stack([column.values for column in rows.columns])
    y, expected = rows.targets[0].values, []
    for train, test in KFold(3, shuffle=True, random_state=derive_seed(0, "folds", 1) % 2**32).split(x):
        error = LinearRegression().fit(x[train], y[train]).predict(x[test]) - y[test]
        expected.append(float(np.sqrt((error**2).mean())))
    assert np.allclose(found.figures["linear model"]["rmse"], expected, atol=1e-6)
    own = found.figures["linear"]["rmse"]
    assert found.interval("linear", "rmse") == corrected_interval(own, 1 / 2)
    assert found.difference("mean", "rmse").estimate == pytest.approx(
        np.mean(own) - np.mean(found.figures["mean"]["rmse"])
    )
    assert "linear is worse than linear model" in str(found)
    kept = json.loads((tmp_path / "f" / "table-folds.json").read_text())
    assert kept == found.to_dict()
    first = load_table_model(tmp_path / "f" / "folds" / "repeat1-fold1" / "model")
    assert (
        first.target.mean
        != load_table_model(tmp_path / "f" / "folds" / "repeat1-fold2" / "model").target.mean
    )


def test_a_stopped_one_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    started = 0

    def stop(event: Event) -> None:
        nonlocal started
        started += isinstance(event, EpochStarted)
        if started == 3:
            raise StopRun

    options = {"folds": 2, "output": tmp_path, "arguments": {"widths": [4]}}
    whole = cross_validate_table("mlp", table(True), QUICK, name="whole", listeners=(), **options)  # type: ignore[arg-type]
    part = cross_validate_table("mlp", table(True), QUICK, name="part", listeners=[stop], **options)  # type: ignore[arg-type]
    assert part.stopped == "interrupted"
    assert len(part.figures["mlp"]["accuracy"]) == 1
    assert "too few folds" in str(part)
    rest = cross_validate_table("mlp", table(True), QUICK, name="part", go_on=True, listeners=(), **options)  # type: ignore[arg-type]
    assert rest.figures == whole.figures
    with pytest.raises(RunError, match="holds another run or other files"):
        cross_validate_table("mlp", table(True), QUICK, name="part", listeners=(), **options)  # type: ignore[arg-type]


def test_folds_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 folds, 1 repeats"):
        cross_validate_table("mlp", table(), QUICK, folds=1, output=tmp_path)
    with pytest.raises(DataError, match="60 rows for 31 folds"):
        cross_validate_table("mlp", table(), QUICK, folds=31, output=tmp_path)
    with pytest.raises(DataError, match=r"the smallest class has 2[0-9] rows for 30 folds"):
        cross_validate_table("mlp", table(True), QUICK, folds=30, output=tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table()
    frame = pd.DataFrame({column.name: column.values for column in (*rows.columns, *rows.targets)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    shared = [
        "cross-validate",
        "mlp",
        "--data",
        str(tmp_path / "t.csv"),
        "--output",
        str(tmp_path),
        "--folds",
        "2",
    ]
    for extra, said in (
        (["--target", "y", "--epochs", "1", "--set", "widths=4", "-q"], "RMSE: mlp is "),
        (["--target", "y", "--jobs", "2"], "--group-by and --jobs are for images"),
        ([], "is a table; say which column to predict"),
    ):
        with pytest.raises(SystemExit):
            run_command([*shared, *extra])
        written = capsys.readouterr()
        assert said in written.out + written.err
