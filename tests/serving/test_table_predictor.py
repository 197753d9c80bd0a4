"""Networks for tables put to use, from Python and from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from convnets.cli.main import run as run_command
from convnets.errors import DataError, UsageError
from convnets.serving.table_predictor import TablePredictor
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train


def frame(rows: int = 150, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.choice(["x", "y"], rows)
    return pd.DataFrame({"a": a, "b": b, "price": 100 + 20 * a + 30 * (b == "x")}).assign(
        kind=lambda f: np.where(f.price > 115, "dear", "cheap")
    )


class Ended:
    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def convnets(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_command([str(each) for each in arguments])
    return Ended(ended.value.code, *capsys.readouterr())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table, new rows, and two runs."""
    path = tmp_path_factory.mktemp("tables")
    frame().to_csv(path / "table.csv", index=False)
    frame(20, seed=1).drop(columns=["kind", "price"])[["b", "a"]].to_csv(path / "new.csv", index=False)
    frame(50, seed=2).to_csv(path / "test.csv", index=False)
    config = TrainConfig(epochs=40, batch_size=16, learning_rate=0.05, weight_decay=0.0)
    for name, target, other in (("linear", "price", "kind"), ("softmax", "kind", "price")):
        table = load_table(path / "table.csv", target, drop=[other])
        train(name, table, config, output=path, name=target, listeners=())
    return path


def test_numbers_of_new_rows(folder: Path) -> None:
    found = TablePredictor.load(folder / "price").predict(folder / "new.csv")
    assert [each.row for each in found] == list(range(1, 21))
    true = frame(20, seed=1).price
    assert np.allclose([each.values["price"] for each in found], true, atol=2)
    again = TablePredictor.load(folder / "price" / "model").predict(frame(20, seed=1))
    assert found == again


def test_classes_of_new_rows(folder: Path) -> None:
    found = TablePredictor.load(folder / "kind").predict(folder / "new.csv")
    right = [each.values["kind"] == true for each, true in zip(found, frame(20, seed=1).kind, strict=True)]
    assert np.mean(right) > 0.8
    assert all(each.probability is not None and 0.5 <= each.probability <= 1 for each in found)


def test_evaluation_is_that_of_the_run(folder: Path) -> None:
    run = Run(folder / "price")
    judged = TablePredictor.load(run.path).evaluate()
    assert judged.part == "validation"
    assert judged.figures["linear"]["rmse"] == pytest.approx(run.results["validation"]["rmse"], rel=1e-6)
    assert judged.figures["gradient boosting"] == run.results["baselines"]["gradient boosting"]
    assert len(TablePredictor.load(run.path).evaluate(part="train", baselines=False).table) == 135
    other = TablePredictor.load(run.path).evaluate(folder / "test.csv")
    assert len(other.figures) == 4
    assert other.figures["linear"]["r2"] is not None
    assert other.figures["linear"]["r2"] > 0.98
    alone = TablePredictor.load(run.model_folder).evaluate(folder / "test.csv")
    assert list(alone.figures) == ["linear"]
    assert "a model folder without its run" in str(alone)


def test_bad_rows_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    predictor = TablePredictor.load(folder / "price")
    bad: dict[str, tuple[pd.DataFrame, str]] = {
        "missing": (frame(3).drop(columns=["a", "b"]), "has no column 'a', 'b'; it has: price, kind"),
        "text": (frame(3).assign(a=["1", "x", "3"]), "column 'a', row 2: 'x' where a number is meant"),
        "infinite": (frame(3).assign(a=[1, np.inf, 2]), "column 'a', row 2: inf; allowed: finite numbers"),
    }
    for table, message in bad.values():
        table.to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(DataError, match=message) as caught:
            predictor.predict(tmp_path / "bad.csv")
        assert "\n" not in str(caught.value)
    new = frame(3).assign(b=["z", None, "x"])
    assert len(predictor.predict(new)) == 3  # new and missing categories have a column
    with pytest.raises(UsageError, match="part is 'test'; allowed: train, validation"):
        predictor.evaluate(part="test")
    with pytest.raises(DataError, match="without its run: its rows are not known; give the rows"):
        TablePredictor.load(folder / "price" / "model").evaluate()
    with pytest.raises(DataError, match="the target 'price' is missing in 1 of 2 rows"):
        predictor.evaluate(frame(2).assign(price=[1.0, np.nan]))
    with pytest.raises(DataError, match="kind is 'odd', a class that no training row has"):
        TablePredictor.load(folder / "kind").evaluate(frame(2).assign(kind=["odd", "dear"]))


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ("--data", folder / "table.csv", "--epochs", 2, "--output", tmp_path, "--drop", "kind")
    ended = convnets(
        capsys, "train", "mlp", *shared, "--target", "price", "--set", "widths=8,4", "--name", "r"
    )
    assert ended.code == 0, ended.err
    assert "135 training rows" in ended.out
    assert "gradient boosting" in ended.out
    run = tmp_path / "r"
    assert Run(run).settings["network"]["arguments"]["widths"] == [8, 4]
    ended = convnets(capsys, "evaluate", run)
    assert "RMSE" in ended.out
    found: dict[str, Any] = json.loads(convnets(capsys, "evaluate", run, "--json").out)
    assert set(found["models"]) == {"mlp", "mean", "linear model", "gradient boosting"}
    rows = list(
        csv.DictReader(io.StringIO(convnets(capsys, "predict", run, folder / "new.csv", "--csv").out))
    )
    assert (len(rows), list(rows[0])) == (20, ["row", "price"])
    two = json.loads(convnets(capsys, "predict", run, folder / "new.csv", folder / "test.csv", "--json").out)
    assert len(two) == 70
    assert convnets(capsys, "predict", folder / "kind", folder / "new.csv").out.startswith("row 1: kind ")
    resumed = convnets(capsys, "train", "mlp", *shared, "--target", "price", "--set", "widths=8,4", "--name", "r",
                       "--resume", "auto")  # fmt: skip
    assert "nothing is left to do" in resumed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "mlp", "--data", "TABLE"), "is a table; say which column to predict: --target COLUMN"),
        (("train", "mlp", "--drop", "a"), "--drop is given without --target"),
        (("train", "mlp", "--target", "a"), "--target is given without --data"),
        (
            ("train", "mlp", "--data", "TABLE", "--target", "c"),
            "has no column 'c'; it has: a, b, price, kind",
        ),
        (
            ("train", "mlp", "--data", "TABLE", "--target", "price", "--set", "depth=3"),
            "mlp has no option 'depth'",
        ),
        (
            ("train", "mlp", "--data", "TABLE", "--target", "price", "--set", "x"),
            "--set is 'x'; allowed: NAME=VALUE",
        ),
        (
            ("train", "mlp", "--data", "TABLE", "--target", "price", "--loss", "cubed"),
            "loss is 'cubed'|loss 'cubed'",
        ),
        (("evaluate", "RUN", "--views", "2"), "--views is for images, and .* was trained on a table"),
        (("predict", "RUN", "TABLE", "--abstain", "0.9"), "--abstain is for images"),
        (("predict", "RUN", "NONE"), "none.csv does not exist; give a CSV or Parquet file"),
        (("export", "RUN", "--int8"), "--int8 is for images, and .* was trained on a table"),
        (("export", "RUN", "--input", "pictures"), "unknown input 'pictures'; allowed: rows, tensor"),
    ],
)
def test_bad_commands_are_refused_in_one_line(
    arguments: tuple[str, ...], message: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    places = {"TABLE": folder / "table.csv", "RUN": folder / "price", "NONE": tmp_path / "none.csv"}
    extra = ("--output", tmp_path) if arguments[0] == "train" else ()
    ended = convnets(capsys, *(places.get(each, each) for each in arguments), *extra)
    assert ended.code in (1, 2)
    assert re.search(message, ended.err), ended.err
    assert ended.err.count("\n") == 1
