"""Models of tables and series that nobody trained: their answers are as good to compare as any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convnets.checkpoints.model_folder import save_model
from convnets.checkpoints.table_model import TableModel
from convnets.models.catalogue import create_model
from convnets.series.examples import ExampleSet
from convnets.series.load_series import load_series
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_options import SeriesOptions
from convnets.tables.load_table import load_table
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.target import Target


def houses(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories and dates, some missing, and two targets."""
    rng = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "area": rng.normal(90, 25, rows).round(2),
            "age": rng.integers(0, 90, rows).astype(float),
            "town": rng.choice(["oslo", "rome", "paris, old"], rows),
            "sold": pd.date_range("2020-01-31", periods=rows, freq="37D").strftime("%Y-%m-%d"),
            "floor": rng.normal(3, 1.5, rows).round(1),
        }
    )
    found["price"] = (1000 * found.area * rng.uniform(0.7, 1.4, rows)).round(0)
    found["kind"] = np.where(found.price > found.price.median(), "dear", "cheap")
    found.loc[3::7, "floor"] = np.nan
    found.loc[2::9, "town"] = None
    return found


def tides(steps: int = 120) -> pd.DataFrame:
    """Two channels of a long series, one value missing."""
    time = np.arange(steps)
    found = pd.DataFrame({"here": np.sin(time / 2), "there": np.cos(time / 3)}).round(4)
    found.loc[11, "there"] = np.nan
    return found


def _of_table(target: str, drop: str, *, logarithm: bool = False) -> TableModel:
    table = load_table(houses(), target, drop=[drop], dates=["sold"])
    encoder = TableEncoder.fit(table, bins={"age": "frequency:4"})
    goal = Target.fit(table, logarithm=logarithm)
    network = create_model(
        "mlp", in_channels=encoder.shape[0], num_classes=goal.outputs, input_size=1, seed=0
    )
    return TableModel(network.eval(), encoder, goal)


def _of_series(
    name: str, series: ExampleSet, options: SeriesOptions | None, *, flat: bool = False
) -> TableModel:
    encoder = SeriesEncoder.fit(series, flat=flat, options=options)  # type: ignore[arg-type]
    target = Target.fit(series)
    size = 1 if flat else encoder.length
    network = create_model(
        name, in_channels=encoder.shape[0], num_classes=target.outputs, input_size=size, seed=0
    )
    return TableModel(network.eval(), encoder, target)


@pytest.fixture(scope="session")
def row_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TableModel]:
    """By name: prices, logs (their logarithm) and kinds of houses; waves of two classes; windows of tides, flat too."""
    tide = tmp_path_factory.mktemp("tides") / "tides.csv"
    tides().to_csv(tide, index=False)
    options = SeriesOptions(("here",), window=16, horizon=2, period=1)
    windows = load_series(tide, "here", window=16, horizon=2)
    rng = np.random.default_rng(0)
    waves = load_series(rng.normal(size=(40, 1, 64)).astype(np.float32), np.arange(40) % 2)
    return {
        "prices": _of_table("price", "kind"),
        "logs": _of_table("price", "kind", logarithm=True),
        "kinds": _of_table("kind", "price"),
        "waves": _of_series("lenet1d", waves, None),
        "tides": _of_series("tcn", windows, options),
        "flat": _of_series("mlp", windows, options, flat=True),
    }


@pytest.fixture(scope="session")
def row_folders(row_models: dict[str, TableModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in folders of these names."""
    root = tmp_path_factory.mktemp("served")
    for name, model in row_models.items():
        save_model(root / name / "model", model)
    return root


@pytest.fixture(scope="session")
def new_houses() -> pd.DataFrame:
    """Houses that no model has seen, of known towns."""
    return houses(40, seed=5).drop(columns=["price", "kind"])


@pytest.fixture(scope="session")
def new_tides() -> pd.DataFrame:
    """Steps of both channels."""
    return tides(40)
