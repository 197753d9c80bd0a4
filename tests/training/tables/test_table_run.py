"""A table on the route of images: trained, resumed to the bit, loaded, evaluated; and what cannot be done refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from convnets.checkpoints.model_folder import load_model
from convnets.checkpoints.table_model import load_table_model
from convnets.errors import ConvnetsError, DataError, ModelFolderError, RunError
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.events import EpochEnded, Event, RunStarted, StopRun, TableEvaluated
from convnets.training.runs.run import Run
from convnets.training.tables.row_batches import RowBatches, Rows
from convnets.training.tables.table_task import prepare_table, split_rows
from convnets.training.train import resume, train

QUICK = TrainConfig(epochs=4, batch_size=16, loss="log-rmse", learning_rate=0.01)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_table_model(run.model_folder).network.state_dict()


@pytest.fixture(scope="module")
def priced(houses: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Event]]:
    """A run on prices, and all that it reported."""
    events: list[Event] = []
    table = load_table(houses, "SalePrice", drop=["Grade"])
    out = tmp_path_factory.mktemp("runs")
    arguments = {"widths": [16], "dropout": 0.1, "batch_norm": True}
    return train("mlp", table, QUICK, output=out, arguments=arguments, listeners=[events.append]), events


def test_a_run_on_a_table_leaves_what_a_run_leaves(priced: tuple[Run, list[Event]]) -> None:
    run, events = priced
    assert run.status == "finished"
    started = next(each for each in events if isinstance(each, RunStarted))
    model = load_table_model(run.model_folder)
    assert (started.objective, started.examples) == ("numbers", "rows")
    assert started.input_shape == (len(model.encoder.features),)
    assert (started.train_images, started.validation_images) == (108, 12)
    rows = [each for each in events if isinstance(each, EpochEnded)]
    assert len(run.metrics) == len(rows) == 4
    assert all(np.isfinite(row.train_accuracy) for row in rows)
    (judged,) = (each for each in events if isinstance(each, TableEvaluated))
    assert list(judged.figures) == ["mlp", "mean", "linear model", "gradient boosting"]
    assert run.results["validation"]["rmse"] == judged.figures["mlp"]["rmse"]
    assert set(run.results["baselines"]) == {"mean", "linear model", "gradient boosting"}
    page = run.report.read_text("utf-8")
    assert "Predictions of SalePrice" in page
    assert "counts the rows: left out" in page
    assert Event.from_dict(judged.to_dict()) == judged


def test_what_was_fitted_is_of_the_training_rows_alone(priced: tuple[Run, list[Event]], houses: Path) -> None:
    model = load_table_model(priced[0].model_folder)
    table = load_table(houses, "SalePrice", drop=["Grade"])
    training, validation = split_rows(table, QUICK)
    assert validation is not None
    assert sorted(np.concatenate([part.column("Sold").values for part in (training, validation)])) == sorted(
        table.column("Sold").values
    )
    logs = np.log(training.column("SalePrice").values)
    assert model.target.mean == (float(logs.mean()),)
    assert model.target.std == (float(logs.std()),)
    area = training.column("Area").values
    assert model.encoder.to_dict()["columns"][0]["median"] == float(np.nanmedian(area))


def test_a_stopped_run_goes_on_to_the_very_same_weights(
    priced: tuple[Run, list[Event]], houses: Path, tmp_path: Path
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise StopRun

    table = load_table(houses, "SalePrice", drop=["Grade"])
    arguments = {"widths": [16], "dropout": 0.1, "batch_norm": True}
    stopped = train("mlp", table, QUICK, output=tmp_path, arguments=arguments, listeners=[stop])
    assert stopped.status == "interrupted"
    done = resume(stopped.path, listeners=())
    assert done.status == "finished"
    whole = weights(priced[0])
    assert all(torch.equal(value, whole[name]) for name, value in weights(done).items())


def test_a_table_that_changed_is_not_gone_on_with(houses: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise StopRun

    path = tmp_path / "houses.csv"
    path.write_text(houses.read_text())
    run = train("linear", load_table(path, "SalePrice"), QUICK, output=tmp_path / "runs", listeners=[stop])
    path.write_text(houses.read_text().replace("Pave", "Dirt"))
    with pytest.raises(RunError, match="have changed since"):
        resume(run, listeners=())
    assert resume(run, data=houses, listeners=()).status == "finished"
    with pytest.raises(RunError, match=r"trained on data from memory|has ended"):
        resume(run, listeners=())


def test_classes_of_a_table(houses: Path, tmp_path: Path) -> None:
    table = load_table(houses, "Grade", drop=["SalePrice"])
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02)
    run = train("softmax", table, config, output=tmp_path, listeners=())
    assert run.results["validation"]["accuracy"] >= 0.75
    assert run.results["baselines"]["most frequent class"]["accuracy"] == pytest.approx(0.5, abs=0.1)
    _, validation = split_rows(table, config)
    assert validation is not None
    assert np.bincount(validation.targets[0].values).tolist() == [6, 6]  # stratified


def test_several_numbers_and_a_network_of_ones_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(u=x @ [1.0, 2, 3], v=x @ [0.0, -1, 1])
    config = TrainConfig(epochs=60, batch_size=16, learning_rate=0.02, weight_decay=0.0)
    run = train(nn.Linear(3, 2), load_table(frame, ["u", "v"]), config, output=tmp_path, listeners=())
    assert run.results["validation"]["r2"] > 0.999
    model = load_table_model(run.model_folder, network=nn.Linear(3, 2))
    answers = model.network(torch.from_numpy(model.encoder(load_table(frame)))).detach().numpy()
    assert np.allclose(model.target.decode(answers), frame[["u", "v"]], atol=0.3)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_every_loss_learns(loss: str, houses: Path, tmp_path: Path) -> None:
    config = TrainConfig(epochs=15, batch_size=16, learning_rate=0.02, loss=loss)
    table = load_table(houses, "SalePrice", drop=["Grade"])
    run = train("linear", table, config, output=tmp_path, listeners=())
    assert run.results["validation"]["r2"] > 0.5


def test_bins_are_kept_with_the_model(houses: Path, tmp_path: Path) -> None:
    config = TrainConfig(epochs=1, batch_size=32, bins=("Year=clusters:4",))
    run = train("linear", load_table(houses, "SalePrice"), config, output=tmp_path, listeners=())
    encoder = load_table_model(run.model_folder).encoder
    assert [name for name in encoder.features if name.startswith("Year")][:2] == ["Year:bin1", "Year:bin2"]


def test_batches_hold_every_row_once_and_no_lone_row() -> None:
    table = load_table(np.arange(18.0).reshape(9, 2))
    rows = Rows(torch.arange(9.0)[:, None], torch.arange(9), table)
    batches = RowBatches(rows, 4, seed=3)
    steps = [batch.targets.tolist() for batch in batches.epoch(1)]
    assert [len(step) for step in steps] == [4, 5] == [len(step) for step in steps]
    assert sorted(row for step in steps for row in step) == list(range(9))
    assert [batch.targets.tolist() for batch in batches.epoch(1, start=1)] == steps[1:]
    assert [batch.targets.tolist() for batch in batches.epoch(2)] != steps
    shares = [list(RowBatches(rows, 4, seed=3, share=(rank, 2)).epoch(1)) for rank in (0, 1)]
    assert [a.whole for a in shares[0]] == [4, 5]
    both = [a.targets.tolist() + b.targets.tolist() for a, b in zip(*shares, strict=True)]
    assert [sorted(step) for step in both] == [sorted(step) for step in steps]


def _refused(**options: object) -> Callable[[Path], object]:
    return lambda path: prepare_table("mlp", load_table(path, "SalePrice"), TrainConfig(**options))  # type: ignore[arg-type]


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "augment": (_refused(augment=("flip",)), r"augment is \('flip',\) on a table; allowed for images and series"),
    "health": (_refused(health=True), "health is True on a table"),
    "bins": (_refused(bins=("Area",)), "bins are 'Area'; allowed: COLUMN=width:8"),
    "network": (lambda p: prepare_table("lenet", load_table(p, "SalePrice"), QUICK), "lenet takes no rows of a table"),
    "any size": (
        lambda p: prepare_table("resnet18_d2l", load_table(p, "SalePrice"), QUICK), "resnet18_d2l takes no rows"
    ),
    "series": (lambda p: prepare_table("resnet1d", load_table(p, "SalePrice"), QUICK), "resnet1d takes no rows"),
    "none": (lambda p: prepare_table(None, load_table(p, "SalePrice"), QUICK), "no network; give one, such as mlp"),
    "loss": (lambda p: prepare_table("mlp", load_table(p, "Grade"), QUICK), "loss is log-rmse and Grade holds classes"),
    "no target": (lambda p: prepare_table("mlp", load_table(p), QUICK), "no target; say which column to predict"),
    "few rows": (lambda p: prepare_table("mlp", load_table(np.eye(3), "x1"), QUICK), "3 rows leave 0 to choose"),
    "width": (lambda p: prepare_table(nn.Linear(3, 1), load_table(p, "SalePrice"), QUICK), "numbers of a row"),
    "start": (lambda p: train("mlp", load_table(p, "SalePrice"), QUICK, start=nn.Linear(2, 2)), "for images alone"),
    "on images": (lambda p: train("mlp", "digits", QUICK), "loss is 'log-rmse' on images; allowed for tables alone"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_what_cannot_be_trained_is_refused(case: str, houses: Path) -> None:
    call, message = BAD[case]
    with pytest.raises(ConvnetsError, match=message) as caught:
        call(houses)
    assert "\n" not in str(caught.value)


def test_models_of_tables_and_of_images_are_not_taken_for_each_other(
    priced: tuple[Run, list[Event]], tmp_path: Path
) -> None:
    with pytest.raises(ModelFolderError, match="holds a model of tables; allowed here: models of images"):
        load_model(priced[0].model_folder)
    images = train("softmax", "digits", TrainConfig(epochs=1), output=tmp_path, listeners=())
    with pytest.raises(
        ModelFolderError, match="holds a model of images; allowed here: models of tables and series"
    ):
        load_table_model(images.model_folder)


def test_a_class_seen_only_in_validation_is_a_class(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(40.0) ** 2, "y": ["p", "q"] * 19 + ["p", "rare"]})
    run = train("softmax", load_table(frame, "y"), TrainConfig(epochs=1), output=tmp_path, listeners=())
    assert load_table_model(run.model_folder).classes == ("p", "q", "rare")


def test_a_constant_target_in_the_training_rows_is_told() -> None:
    table = load_table(np.column_stack([np.arange(30.0) ** 2, np.zeros(30)]), "x2")
    with pytest.raises(DataError, match="is the same in all 30 rows"):
        prepare_table("mlp", table, TrainConfig())
