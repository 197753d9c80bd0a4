"""How much columns matter, against scikit-learn's and a loop's; curves against means over changed tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance

from convnets.checkpoints.table_model import TableModel
from convnets.errors import ConfigError, DataError
from convnets.explanation.columns.column_importance import column_importance
from convnets.explanation.columns.columns_picture import columns_figure
from convnets.explanation.columns.partial_dependence import partial_dependence
from convnets.explanation.pictures.figure_file import write_figure
from convnets.series.load_series import load_series
from convnets.series.series_encoder import SeriesEncoder
from convnets.tables.load_table import load_table
from convnets.tables.table_set import TableSet
from convnets.tables.target import Target
from convnets.training.tables.fit_linear import fit_linear


def frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, rows))
    street = rng.choice(["Pave", "Grvl$"], rows)
    y = 3 * a - b + 2 * (street == "Pave") + rng.normal(0, 0.1, rows)
    return pd.DataFrame({"a": a, "b": b, "no use": c, "street": street, "y": y})


@pytest.fixture(scope="module")
def table() -> TableSet:
    return load_table(frame(), "y")


@pytest.fixture(scope="module")
def model(table: TableSet) -> TableModel:
    return fit_linear(table)


class Wrapped(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The network as scikit-learn's own function asks it."""

    def __init__(self, model: TableModel) -> None:
        self.model, self.fitted_ = model, True

    def fit(self, x: Any, y: Any) -> Wrapped:
        return self

    def predict(self, x: pd.DataFrame) -> np.ndarray:
        with torch.no_grad():
            answers = self.model.network(torch.from_numpy(self.model.encoder(load_table(x))))
        return self.model.target.decode(answers.numpy())[:, 0]


def test_importance_is_scikit_learns(model: TableModel, table: TableSet) -> None:
    found = column_importance(model, table, repeats=20)
    data = frame()
    theirs = permutation_importance(
        Wrapped(model), data.drop(columns="y"), data["y"], n_repeats=20, random_state=0
    )
    assert next(iter(found.drops)) == "a"
    for name, wanted in zip(["a", "b", "no use", "street"], theirs.importances_mean, strict=True):
        assert found.means[name] == pytest.approx(wanted, rel=0.06, abs=1e-4)
    assert found.means["no use"] == pytest.approx(0, abs=1e-3)
    assert "without a column it loses" in str(found)
    with pytest.raises(ConfigError, match="repeats is 0"):
        column_importance(model, table, repeats=0)


def test_a_mixed_column_is_the_table_with_that_column_mixed(model: TableModel, table: TableSet) -> None:
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(7)).numpy()
    data = frame()
    data["a"] = data["a"].to_numpy()[order]
    answers = Wrapped(model).predict(data.drop(columns="y"))
    error = ((data["y"] - answers) ** 2).sum() / ((data["y"] - data["y"].mean()) ** 2).sum()
    found = column_importance(model, table, repeats=1, seed=7)
    assert found.score - found.drops["a"][0] == pytest.approx(1 - error, abs=1e-5)


def test_curves_are_means_over_changed_tables(model: TableModel, table: TableSet) -> None:
    found = partial_dependence(model, table, "a", points=4)
    low, high = np.percentile(frame()["a"], [5, 95])
    assert found.values == pytest.approx(np.linspace(low, high, 4).tolist())
    for value, answer in zip(found.values, found.answers, strict=True):
        assert answer[0] == pytest.approx(
            Wrapped(model).predict(frame().drop(columns="y").assign(a=value)).mean(), rel=1e-4
        )
    street = partial_dependence(model, table, "street")
    assert street.values == ("Grvl$", "Pave")
    assert float(np.diff(street.answers[:, 0])[0]) == pytest.approx(2, abs=0.05)
    assert len(partial_dependence(model, table, "a", most_rows=50).answers) == 20
    with pytest.raises(DataError, match="has no column 'z'"):
        partial_dependence(model, table, "z")


def test_classes_have_a_curve_each() -> None:
    data = frame().assign(y=lambda f: np.where(f["y"] > 0, "up", "down"))
    table = load_table(data, "y")
    network = torch.nn.Linear(7, 2)
    from convnets.tables.table_encoder import TableEncoder

    encoder = TableEncoder.fit(table)
    torch.manual_seed(0)
    model = TableModel(network, encoder, Target.fit(table))
    assert network.in_features == len(encoder.features)
    curve = partial_dependence(model, table, "b")
    assert curve.names == ("down", "up")
    assert np.allclose(curve.answers.sum(1), 1)
    assert column_importance(model, table, repeats=2).measure == "accuracy"


@pytest.mark.parametrize("flat", [False, True])
def test_channels_of_series_matter_as_columns_do(flat: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3, 10))
    series = load_series(x, x[:, 1].mean(1))

    class Second(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return given.reshape(len(given), 3, 10)[:, 1].mean(1, keepdim=True) * 10**0.5

    model = TableModel(Second(), SeriesEncoder.fit(series, flat=flat), Target.fit(series))
    found = column_importance(model, series, repeats=3)
    assert next(iter(found.drops)) == "x2"
    assert found.means["x1"] == found.means["x3"] == 0
    assert found.means["x2"] == pytest.approx(2, abs=0.4)  # of an unrelated answer R² is −1


def test_a_picture_of_all(model: TableModel, table: TableSet, tmp_path: Path) -> None:
    importance = column_importance(model, table)
    curves = [partial_dependence(model, table, name) for name in ("a", "street")]
    for ending in ("png", "svg", "html"):
        path = write_figure(
            tmp_path / f"x.{ending}", columns_figure(importance, curves), "title", str(importance)
        )
        assert path.stat().st_size > 3000
