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
from convnets.series.load_series import load_series
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


def test_segments_by_a_column_that_the_network_never_saw(folder: Path, tmp_path: Path) -> None:
    predictor = TablePredictor.load(folder / "price")
    judged = predictor.evaluate(part="train", baselines=False, segments="kind")  # which was dropped
    assert judged.segments is not None
    given, true = pd.read_csv(folder / "table.csv"), judged.table.targets[0].values
    rows = judged.table.columns[0].rows
    kinds = given["kind"].to_numpy()[rows]
    assert np.allclose(given["price"].to_numpy()[rows], true)
    predicted = judged.evaluation.predicted[:, 0]  # type: ignore[union-attr]
    assert {each.name for each in judged.segments.segments} == {"cheap", "dear"}
    for each in judged.segments.segments:
        here = kinds == each.name
        rmse = np.sqrt(((predicted - true)[here] ** 2).mean())
        assert (each.rows, each.measures["price"]["rmse"]) == (here.sum(), pytest.approx(rmse))
    assert "cheap" in str(judged)
    assert judged.to_dict()["segments"]["column"] == "kind"
    assert "segments" not in predictor.evaluate(baselines=False).to_dict()

    same = []
    for data in (folder / "test.csv", frame(50, seed=2)):
        found = predictor.evaluate(data, baselines=False, segments="kind").segments
        assert found is not None
        same.append([(each.name, each.rows) for each in found.segments])
    assert same[0] == same[1]
    classes = TablePredictor.load(folder / "kind").evaluate(baselines=False, segments="b").segments
    assert classes is not None
    assert {each.name for each in classes.segments} == {"x", "y"}
    for wrong in (folder / "test.csv", frame(5), load_table(frame(5), "price", drop=["kind"])):
        with pytest.raises(DataError, match=r"has no column 'c'; it has: .*a.*b") as caught:
            predictor.evaluate(wrong, baselines=False, segments="c")
        assert "\n" not in str(caught.value)


def test_segments_of_series(tmp_path: Path) -> None:
    steps = np.arange(160)
    site = np.repeat(["n", "s"], 80)
    shuffled = np.argsort(steps % 80, kind="stable")  # the two sites step by step, as a file may hold them
    long = pd.DataFrame({"x": np.sin(steps) + steps / 50, "site": site}).iloc[shuffled]
    long.to_csv(tmp_path / "long.csv", index=False)
    series = load_series(tmp_path / "long.csv", "x", window=6, horizon=2, by="site")
    config = TrainConfig(epochs=1, batch_size=16, validation=0.3)
    run = train("linear", series, config, output=tmp_path, name="long", listeners=())
    predictor = TablePredictor.load(run.path)
    judged = predictor.evaluate(segments="site", baselines=False)
    assert judged.segments is not None
    places = judged.table.places  # type: ignore[union-attr]
    assert {each.name: each.rows for each in judged.segments.segments} == {
        "n": int((places < 80).sum()),
        "s": int((places >= 80).sum()),
    }
    judged = predictor.evaluate(segments="x", baselines=False)  # a channel: its value at the last step
    assert judged.segments is not None
    last = judged.table.values[:, 0, -1]  # type: ignore[union-attr]
    ends = np.quantile(last, [0.25, 0.5, 0.75])
    assert [each.rows for each in judged.segments.segments] == np.bincount(
        np.searchsorted(ends, last)
    ).tolist()
    with pytest.raises(DataError, match=r"long.csv has no column 'y'; it has: x, site"):
        predictor.evaluate(segments="y")

    rows = pd.DataFrame(
        np.random.default_rng(0).normal(size=(40, 8)), columns=[f"t{each}" for each in range(8)]
    )
    rows.assign(kind=["p", "q"] * 20).to_csv(tmp_path / "rows.csv", index=False)
    by_row = train(
        "linear", load_series(tmp_path / "rows.csv", "kind"), config, output=tmp_path, listeners=()
    )
    found = TablePredictor.load(by_row.path).evaluate(segments="t0", baselines=False).segments
    assert found is not None
    assert [each.rows for each in found.segments] == [3, 3, 3, 3]
    x = np.random.default_rng(0).normal(size=(40, 1, 8)).astype(np.float32)
    np.savez(tmp_path / "both.npz", x=x, y=np.arange(40) % 2)
    arrays = train(
        "linear", load_series(tmp_path / "both.npz", "y"), config, output=tmp_path, name="npz", listeners=()
    )
    own = TablePredictor.load(arrays.path).evaluate(segments="class", baselines=False).segments
    assert own is not None
    with pytest.raises(
        DataError, match=r"both.npz has no columns to tell segments apart by, and 'x1' is not"
    ) as caught:
        TablePredictor.load(arrays.path).evaluate(segments="x1")
    assert "\n" not in str(caught.value)


def test_segments_by_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "by_kind.svg"
    ended = convnets(capsys, "evaluate", folder / "price", "--segments", "kind", "--picture", picture)
    assert ended.code == 0, ended.err
    assert "cheap" in ended.out
    assert picture.exists()
    found = json.loads(convnets(capsys, "evaluate", folder / "price", "--segments", "a", "--json").out)
    assert [each["rows"] for each in found["segments"]["segments"]] == [4, 4, 3, 4]


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
        (("evaluate", "RUN", "--segments", "c"), "has no column 'c'; it has: a, b, price, kind"),
        (("evaluate", "RUN", "--picture", "p.png"), "--picture without --corruptions or --segments"),
        (("evaluate", "RUN", "--segments", "a", "--picture", "p.gif"), "p.gif ends in '.gif'; allowed: .png"),
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
