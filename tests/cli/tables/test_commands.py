"""Every command that takes a run or an example set, on a table and on a series, as a user gives them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from convnets.series.load_series import load_series
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, StopRun
from convnets.training.runs.run import Run
from convnets.training.train import train

KINDS = ("table", "series")
HOW: dict[str, list[str]] = {
    "table": ["--target", "y"],
    "series": ["--target", "x", "--window", "8", "--horizon", "2"],
}
QUICK = ["--epochs", "2", "--learning-rate", "0.01", "--threads", "1", "-q"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A table of 90 rows of 9 owners, and a series of 120 steps of two channels."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=90), rng.choice(["p", "q"], 90)
    owner = [f"o{place}" for place in np.arange(90) % 9]
    pd.DataFrame({"a": a, "b": b, "owner": owner, "y": a + (b == "p")}).to_csv(
        folder / "table.csv", index=False
    )
    t = np.arange(120)
    x = np.sin(t / 2) + rng.normal(0, 0.1, 120)
    pd.DataFrame({"x": x, "z": np.roll(x, 2)}).to_csv(folder / "series.csv", index=False)
    return {kind: folder / f"{kind}.csv" for kind in KINDS}


@pytest.fixture(scope="module")
def stopped(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind that was stopped after an epoch."""

    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise StopRun

    folder = tmp_path_factory.mktemp("stopped")
    config = TrainConfig(epochs=2, learning_rate=0.01, threads=1)
    sets: dict[str, Any] = {
        "table": load_table(files["table"], "y"),
        "series": load_series(files["series"], "x", window=8, horizon=2),
    }
    return {
        kind: train("mlp", sets[kind], config, output=folder, name=kind, listeners=[stop]).path
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_trained_resumed_evaluated_asked_and_compared(
    kind: str, files: dict[str, Path], stopped: dict[str, Path], tmp_path: Path, convnets: Any
) -> None:
    data = files[kind]
    ended = convnets(
        "train", "mlp", "--data", data, *HOW[kind], *QUICK, "--output", tmp_path, "--name", "whole"
    )
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert convnets("train", "--resume", stopped[kind], "-q").status == 0
    whole, resumed = Run(tmp_path / "whole"), Run(stopped[kind])
    assert resumed.status == "finished"
    ours, theirs = ((run.model_folder / "model.safetensors").read_bytes() for run in (whole, resumed))
    assert ours == theirs

    found = convnets("evaluate", whole.path, "--json").json
    assert next(iter(found["models"])) == "mlp"
    assert found["models"]["mlp"]["rmse"] == pytest.approx(whole.results["validation"]["rmse"], rel=1e-5)
    again = convnets("evaluate", whole.path, "--data", data, "--json").json
    assert again["rows"] == (90 if kind == "table" else 120 - 8 - 2 + 1)

    # columns by name, in any order, among others
    frame = pd.read_csv(data)
    moved = frame[frame.columns[::-1]].assign(further="text")
    moved.to_csv(tmp_path / "moved.csv", index=False)
    said = [convnets("predict", whole.path, file, "--csv").out for file in (data, tmp_path / "moved.csv")]
    assert said[0] == said[1]
    rows = list(csv.DictReader(io.StringIO(said[0])))
    assert len(rows) == (90 if kind == "table" else 120 - 8 + 1)
    assert list(rows[0]) == (["row", "y"] if kind == "table" else ["row", "x +1", "x +2"])

    beside = convnets("compare", whole.path, resumed.path)
    assert (beside.status, beside.err) == (0, "")
    assert "mlp" in beside.out


@pytest.mark.parametrize("kind", KINDS)
def test_folds_and_trials_are_made_continued_and_compared(
    kind: str, files: dict[str, Path], tmp_path: Path, convnets: Any
) -> None:
    shared = ["--data", files[kind], *HOW[kind], *QUICK, "--output", tmp_path]
    for network in ("linear", "mlp"):
        made = convnets("cross-validate", network, *shared, "--folds", 2, "--name", network)
        assert made.status == 0, made.err
        assert f"RMSE: {network} is " in made.out
    again = convnets("cross-validate", "mlp", *shared, "--folds", 2, "--name", "mlp", "--resume")
    assert again.out == made.out
    refused = convnets("cross-validate", "mlp", *shared, "--folds", 2, "--name", "mlp")
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    standings = convnets("compare", tmp_path / "linear", tmp_path / "mlp", "--json").json
    assert [each["count"] for each in standings["methods"]] == [2, 2]
    assert all(each["interval"]["high"] < 1 for each in standings["methods"])  # of R²

    pytest.importorskip("optuna")
    tuned = convnets("tune", "mlp", *shared, "--trials", 2, "--name", "search", "--json").json
    assert len(tuned["trials"]) == 2


def test_folds_by_groups_and_side_by_side(files: dict[str, Path], tmp_path: Path, convnets: Any) -> None:
    shared = ["--data", files["table"], *HOW["table"], *QUICK, "--output", tmp_path, "--folds", 3]
    one, two = (
        convnets(
            "cross-validate", "linear", *shared, "--group-by", "owner", "--jobs", jobs, "--name", f"j{jobs}"
        )
        for jobs in (1, 2)
    )
    assert one.status == 0, one.err
    assert two.out == one.out
    names = {each.name for each in (tmp_path / "j2" / "folds").iterdir()}
    assert names == {f"repeat1-fold{number}" for number in (1, 2, 3)}
    encoder = Run(tmp_path / "j2" / "folds" / "repeat1-fold1").model_folder / "config.json"
    assert "owner" not in encoder.read_text()
    split = convnets("cross-validate", "linear", "--data", files["series"], *HOW["series"], "--group-by", "z")
    assert split.status == 2
    assert "allowed: the column that tells them apart (--by COLUMN), or no groups" in split.err
