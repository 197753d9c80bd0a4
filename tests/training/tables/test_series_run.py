"""Series on the route of tables: trained, resumed to the bit, evaluated, predicted, in folds, in two processes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from convnets.checkpoints.table_model import load_table_model
from convnets.errors import ConvnetsError
from convnets.selection.folds.table_folds import cross_validate_table
from convnets.series.load_series import load_series
from convnets.serving.table_predictor import TablePredictor
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, RunStarted, StopRun, TableEvaluated
from convnets.training.runs.run import Run
from convnets.training.tables.table_task import prepare_table
from convnets.training.train import resume, train

QUICK = TrainConfig(epochs=3, batch_size=16, learning_rate=0.01)


def waves() -> tuple[np.ndarray, np.ndarray]:
    """Slow and fast waves with a phase of their own."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    t = np.arange(64) / 4
    x = np.sin(t * (1 + y[:, None]) + rng.uniform(0, 6, (120, 1))) + rng.normal(0, 0.1, (120, 64))
    return x[:, None].astype(np.float32), y


def test_a_forecast_is_trained_resumed_evaluated_and_predicted(tides: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise StopRun

    events: list[Event] = []
    series = load_series(tides, "y", window=24, horizon=4, period=12)
    config = TrainConfig(epochs=3, batch_size=16, learning_rate=0.01, augment=("jitter:0.02", "scale"))
    run = train("lenet1d", series, config, output=tmp_path / "a", listeners=[events.append])
    (started,) = (each for each in events if isinstance(each, RunStarted))
    assert (started.input_shape, started.examples) == ((2, 24), "windows")
    (judged,) = (each for each in events if isinstance(each, TableEvaluated))
    assert list(judged.figures) == [
        "lenet1d",
        "mean",
        "linear model",
        "gradient boosting",
        "value 12 steps before",
    ]

    stopped = train("lenet1d", series, config, output=tmp_path / "b", listeners=[stop])
    assert stopped.status == "interrupted"
    done = resume(stopped.path, listeners=())  # the file is found and read again
    ours, theirs = (load_table_model(each.model_folder).network.state_dict() for each in (run, done))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())

    predictor = TablePredictor.load(run.path)
    found = predictor.evaluate()
    assert found.figures["lenet1d"]["rmse"] == pytest.approx(run.results["validation"]["rmse"])
    assert "windows · every window once" in str(found)
    answers = predictor.predict(tides)
    assert len(answers) == 300 - 24 + 1  # the last one forecasts what is not in the file
    assert list(answers[-1].values) == ["y +1", "y +2", "y +3", "y +4"]
    model = predictor.model
    long = pd.read_csv(tides)[["x", "y"]].to_numpy().T
    given = (long[:, -24:] - np.array(model.encoder.mean)[:, None]) / np.array(model.encoder.std)[:, None]
    with torch.no_grad():
        wanted = model.target.decode(model.network(torch.from_numpy(given[None]).float()).numpy())[0]
    assert list(answers[-1].values.values()) == pytest.approx(wanted.tolist(), rel=1e-4)


def test_a_network_that_suits_the_series_learns_their_classes(tmp_path: Path) -> None:
    x, y = waves()
    config = TrainConfig(epochs=8, batch_size=16, learning_rate=0.01, validation=0.2)
    run = train("lenet1d", load_series(x, y), config, output=tmp_path, listeners=())
    assert run.results["validation"]["accuracy"] > 0.9
    predictor = TablePredictor.load(run.path)
    answers = predictor.predict(x[:6])
    assert [each.values["class"] for each in answers] == [str(each) for each in y[:6]]


def test_linear_networks_and_ones_own_take_series(tmp_path: Path) -> None:
    x, y = waves()
    series = load_series(x, y)
    assert prepare_table("mlp", series, QUICK).encoder.shape == (64,)
    own = nn.Sequential(nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))
    run = train(own, series, QUICK, output=tmp_path, listeners=())
    assert load_table_model(run.model_folder, network=own).encoder.shape == (1, 64)


def test_folds_in_time_are_runs_judged_beside_the_naive_forecast(tides: Path, tmp_path: Path) -> None:
    series = load_series(tides, "x", window=12, horizon=2, period=12)
    found = cross_validate_table("linear", series, QUICK, folds=3, output=tmp_path, listeners=())
    assert len(found.figures["linear"]["rmse"]) == 3
    assert "value 12 steps before" in found.figures
    # the folds' own naive forecast by a loop
    _, judged = series.folds_in_time(3)[0]
    part = series.subset(judged)
    error = part.naive_forecast() - np.stack([column.values for column in part.targets], 1)
    assert found.figures["value 12 steps before"]["rmse"][0] == pytest.approx(
        float(np.sqrt((error**2).mean(0)).mean())
    )
    assert "repeat1-fold3" in {
        each.name for each in (tmp_path / "cross-validation-linear-tides/folds").iterdir()
    }


def test_two_processes_train_a_table_and_series_as_one_does(
    tides: Path, tmp_path: Path, warm_python: Any
) -> None:
    code = f"""
import sys
from convnets import TrainConfig, load_table
from convnets.series.load_series import load_series
from convnets.training.train import train
config = TrainConfig(epochs=2, batch_size=16, optimizer="sgd", learning_rate=0.05, threads=1)
sets = {{"table": load_table({str(tides)!r}, "y"), "series": load_series({str(tides)!r}, "y", window=14)}}
for name, examples in sets.items():
    train("linear", examples, config, output=sys.argv[1], name=name, listeners=())
"""
    warm_python.run("-c", code, str(tmp_path / "one"), check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    size = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    ranks = [
        warm_python.start(
            *("-c", code, str(tmp_path / "two")),
            env={**os.environ, **place, **size, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    assert [rank.wait(timeout=100) for rank in ranks] == [0, 0]
    for name in ("table", "series"):
        one, two = (
            [row["train_loss"] for row in Run(tmp_path / folder / name).metrics] for folder in ("one", "two")
        )
        assert one == pytest.approx(two, rel=1e-5)
        assert len(one) == 2


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("lenet", {}, "lenet takes no rows of a table and no series"),
        ("mlp", {"augment": ("warp",)}, "this network takes a series as numbers in a row"),
        ("resnet1d", {"augment": ("flip",)}, "flip"),
        ("resnet1d", {"bins": ("x=width:3",)}, "bins are x=width:3 on series"),
        ("resnet1d", {"mixup": 0.2}, "mixup is 0.2 on a table"),
    ],
)
def test_what_series_cannot_do_is_refused(network: str, options: dict[str, object], message: str) -> None:
    x, y = waves()
    with pytest.raises(ConvnetsError, match=message) as caught:
        prepare_table(network, load_series(x, y), TrainConfig(**options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
