"""Folds of a table: what scikit-learn itself gets on the same folds, nothing of the held-out rows, and resuming."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from convnets.checkpoints.table_model import load_table_model
from convnets.cli.main import run as run_command
from convnets.core.seeds import derive_seed
from convnets.errors import ConfigError, ConvnetsError, DataError, RunError, UnknownNameError
from convnets.selection.folds.table_folds import TableFolds, cross_validate_table
from convnets.selection.folds.table_splitting import grouped, split_examples
from convnets.selection.statistics.intervals import FROM_0, corrected_interval
from convnets.series.load_series import load_series
from convnets.tables.load_table import load_table
from convnets.tables.table_set import TableSet
from convnets.training.config import TrainConfig
from convnets.training.events import EpochStarted, Event, StopRun
from convnets.training.tables.table_task import split_rows

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
    assert found.interval("linear", "rmse") == corrected_interval(own, 1 / 2, ends=FROM_0)
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


@pytest.mark.parametrize("classes", [False, True])
def test_folds_side_by_side_are_those_of_one_after_the_other(classes: bool, tmp_path: Path) -> None:
    config = replace(QUICK, threads=1)
    one, two = (
        cross_validate_table(
            "mlp", table(classes), config, folds=3, output=tmp_path, name=str(jobs), jobs=jobs, listeners=()
        )
        for jobs in (1, 2)
    )
    assert one.fold_names == ["repeat1-fold1", "repeat1-fold2", "repeat1-fold3"]
    assert two == one  # of the network and of every simple model, to the bit
    for fold in one.fold_names:
        ours, theirs = (
            (tmp_path / jobs / "folds" / fold / "model" / "model.safetensors").read_bytes()
            for jobs in ("1", "2")
        )
        assert ours == theirs
    # what was made by two goes on by one, which finds nothing left to do
    assert cross_validate_table(
        "mlp", table(classes), QUICK, folds=3, output=tmp_path, name="3", jobs=2, listeners=()
    ) == cross_validate_table(
        "mlp", table(classes), QUICK, folds=3, output=tmp_path, name="3", go_on=True, listeners=()
    )


def test_what_goes_wrong_side_by_side_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown initializer 'kaimin'"):
        cross_validate_table(
            "mlp", table(), replace(QUICK, initializer="kaimin"), folds=2, jobs=2, output=tmp_path
        )
    with pytest.raises(ConfigError, match="jobs is 0; allowed: 1 or more"):
        cross_validate_table("mlp", table(), QUICK, jobs=0, output=tmp_path)


def patients(tmp_path: Path, classes: bool) -> Path:
    """12 patients of 5 visits each, and a number that is the patient's own: what leaks if patients straddle folds."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(12), 5)
    own = rng.normal(size=12)[who]
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": own, "who": [f"p{each}" for each in who]})
    frame["y"] = np.where(own > 0, "p", "n") if classes else own
    path = tmp_path / "patients.csv"
    frame.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("classes", [False, True])
def test_groups_are_never_in_two_parts(classes: bool, tmp_path: Path) -> None:
    path = patients(tmp_path, classes)
    whole = load_table(path, "y")
    rows = grouped(whole, "who")
    assert rows.names == ("a", "b")  # who says nothing of a new patient
    who = np.array(whole.column("who").texts())
    times = np.zeros(60, dtype=int)
    for learned, judged in split_examples(rows, 4, 1, 0):
        assert not set(who[learned]) & set(who[judged])
        times[judged] += 1
        training, validation = split_rows(rows.subset(learned), QUICK)
        assert validation is not None
        a = dict(zip(whole.column("a").values, who, strict=True))
        inner, outer = ({a[value] for value in part.column("a").values} for part in (validation, training))
        assert inner
        assert outer
        assert not inner & outer
        assert inner | outer == set(who[learned])
    assert times.tolist() == [1] * 60
    # the column may have been left out of the table, and a value for each row will do
    again = grouped(load_table(path, "y", drop=["who"]), "who")
    given = grouped(load_table(path, "y", drop=["who"]), who.tolist())
    for other in (again, given):
        assert other.names == rows.names
        assert other.groups is not None
        assert rows.groups is not None
        assert other.groups.values.tolist() == rows.groups.values.tolist()


def test_series_of_a_file_are_judged_as_a_whole_where_they_are_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=120), "who": np.tile(["a", "b", "c", "d"], 30)})
    frame.to_csv(tmp_path / "long.csv", index=False)
    series = load_series(tmp_path / "long.csv", "x", window=6, by="who")
    found = grouped(series, "who")
    for learned, judged in split_examples(found, 4, 1, 0):
        kept = found.subset(judged)
        values = frame.x.to_numpy()
        owner = {float(value): name for value, name in zip(values, frame.who, strict=True)}
        owners = [{owner[float(v)] for v in found.subset(part).values.ravel()} for part in (learned, judged)]
        assert len(owners[1]) == 1
        assert not owners[0] & owners[1]
        assert len(kept) == 24
    assert len(split_examples(series, 2, 1, 0)[0][0]) < len(learned)  # without them, forward in time
    wide = pd.DataFrame(rng.normal(size=(24, 8)), columns=[f"s{i}" for i in range(8)])
    wide.assign(k=["p", "q"] * 12, who=np.repeat(range(6), 4)).to_csv(tmp_path / "wide.csv", index=False)
    rows = grouped(load_series(tmp_path / "wide.csv", "k", drop=["who"]), "who")
    assert rows.values.shape == (24, 1, 8)
    for learned, judged in split_examples(rows, 3, 1, 0):
        assert not set(learned // 4) & set(judged // 4)


def test_sounds_are_grouped_by_their_paths(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in range(24):
        path = tmp_path / "pq"[place % 2] / f"speaker{place // 4}-{place}.wav"
        path.parent.mkdir(exist_ok=True)
        wavfile.write(path, 8000, np.full(9, place, dtype=np.int16) + rng.integers(0, 2, 9, dtype=np.int16))
    sounds = load_series(tmp_path)
    speaker = (sounds.values[:, 0].min(1) * 2**15).round() // 4
    for learned, judged in split_examples(grouped(sounds, "speaker([0-9])-"), 3, 1, 0):
        assert not set(speaker[learned]) & set(speaker[judged])
    with pytest.raises(DataError, match=r"'who' is not in 'p/speaker0-0\.wav'; every file needs a group"):
        grouped(sounds, "who")
    with pytest.raises(ConfigError, match="is no regular expression"):
        grouped(sounds, "(")


def test_groups_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = patients(tmp_path, False)
    long = load_series(path, "y", window=4, drop=["who"])
    gaps = pd.read_csv(path)
    gaps.loc[3, "who"] = None
    gaps.to_csv(tmp_path / "gaps.csv", index=False)
    np.savez(tmp_path / "x.npz", x=np.zeros((6, 4)), y=np.arange(6))
    wide = pd.DataFrame({"s": range(6), "t": range(6, 0, -1), "who": range(6), "k": ["p", "q"] * 3})
    wide.to_csv(tmp_path / "wide.csv", index=False)
    calls: dict[str, Callable[[], object]] = {
        "has no column 'z'; it has: a, b, who, y": lambda: grouped(load_table(path, "y"), "z"),
        "'y', which is the target": lambda: grouped(load_table(path, "y"), "y"),
        "2 groups for 60 rows; give one for each": lambda: grouped(load_table(path, "y"), ["a", "b"]),
        "'who', which tells groups apart, is missing in row 4": lambda: grouped(
            load_table(tmp_path / "gaps.csv", "y"), "who"
        ),
        "12 groups for 13 folds": lambda: split_examples(grouped(load_table(path, "y"), "who"), 13, 1, 0),
        "allowed: the column that tells them apart": lambda: grouped(long, "who"),
        "x.npz has no such column": lambda: grouped(load_series(tmp_path / "x.npz", "y"), "who"),
        "'who', which is not left out of the series; leave it out: --drop who": lambda: grouped(
            load_series(tmp_path / "wide.csv", "k"), "who"
        ),
        "given array has no such column": lambda: grouped(load_series(np.zeros((6, 4)), np.arange(6)), "who"),
        "one group is left to learn from": lambda: split_rows(
            grouped(load_table(path, "y"), [0] * 60), QUICK
        ),
    }
    for message, call in calls.items():
        with pytest.raises(ConvnetsError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_classes_too_small_to_be_dealt_out_are_no_fault(tmp_path: Path) -> None:
    """scikit-learn raises where every class has fewer rows than there are parts, and warns where one has."""
    frame = pd.DataFrame(
        {"a": np.arange(16.0) ** 2, "y": ["p", "q"] * 8, "who": [f"w{i // 2}" for i in range(16)]}
    )
    rows = grouped(load_table(frame, "y"), "who")
    for learned, _ in split_examples(rows, 2, 1, 0):
        part = rows.subset(learned)
        training, validation = split_rows(part, replace(QUICK, validation=0.1))
        assert validation is not None
        assert len(training) + len(validation) == len(part)
    few = load_table(frame.assign(y=["p"] * 13 + ["q"] * 3), "y")
    with pytest.raises(DataError, match="the smallest class has 3 rows for 4 folds"):
        split_examples(grouped(few, "who"), 4, 1, 0)


def test_measures_are_those_that_every_fold_knows(tmp_path: Path) -> None:
    rows = table()  # some of its targets are below 0: no logarithm anywhere
    found = cross_validate_table("linear", rows, QUICK, folds=2, output=tmp_path, listeners=())
    assert set(found.figures["linear"]) == {"rmse", "mae", "r2"}
    assert "too few folds" in str(TableFolds("linear", "t.csv", 5, {}, "interrupted"))
    wide = found.interval("mean", "r2")
    assert wide.low < wide.estimate < wide.high < 1


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
        (["--target", "y", "--epochs", "1", "--jobs", "2", "--name", "jobs", "-q"], "RMSE: mlp is "),
        (["--target", "y", "--group-by", "c", "--epochs", "1", "--name", "g", "-q"], "RMSE: mlp is "),
        (["--target", "y", "--group-by", "d"], "has no column 'd'; it has: a, b, c, y"),
        (["--target", "y", "--jobs", "0"], "jobs is 0; allowed: 1 or more"),
        ([], "is a table; say which column to predict"),
    ):
        with pytest.raises(SystemExit):
            run_command([*shared, *extra])
        written = capsys.readouterr()
        assert said in written.out + written.err
