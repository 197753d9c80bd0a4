"""Encoders as layers give the encoders' own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets.checkpoints.table_model import TableModel
from convnets.series.examples import encoded
from convnets.series.unencoded import unencoded
from convnets.serving.export.rows.encoding_layers import SeriesLayer, TableLayer
from convnets.serving.export.rows.rows_export import made_up
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import Column, TableSet


@pytest.mark.parametrize("name", ["prices", "tides", "flat", "waves"])
def test_number_for_number(name: str, row_models: dict[str, TableModel]) -> None:
    model = row_models[name]
    layer = (TableLayer if name == "prices" else SeriesLayer)(model.encoder)  # type: ignore[arg-type]
    for seed in range(3):
        examples = made_up(model, 50, seed)
        given = encoded(examples, unencoded(model.encoder))[:]
        assert given.dtype is torch.float64
        assert given.isnan().any()
        assert torch.equal(layer(given), encoded(examples, model.encoder)[:])


def test_every_kind_of_column_alone() -> None:
    rng = np.random.default_rng(0)
    numbers = Column("n", "number", rng.normal(size=30))
    gaps = Column("g", "number", np.where(rng.random(30) < 0.3, np.nan, rng.normal(size=30)))
    names = Column("c", "category", rng.integers(-1, 3, 30).astype(np.int32), ("x", "y", "z"))
    for columns, bins in (
        ((numbers,), {}),
        ((gaps,), {}),
        ((gaps,), {"g": "width:5"}),
        ((names,), {}),
        ((names, numbers, gaps), {"n": "clusters:3", "g": "frequency:6"}),
    ):
        table = TableSet(columns, (), "columns")
        encoder = TableEncoder.fit(table, bins=bins)
        assert torch.equal(
            TableLayer(encoder)(unencoded(encoder).encode(table)), torch.from_numpy(encoder(table))
        )  # type: ignore[arg-type]


def test_a_place_beyond_the_list_is_an_unknown_category() -> None:
    table = TableSet((Column("c", "category", np.array([0, 1], np.int32), ("x", "y")),), (), "columns")
    layer = TableLayer(TableEncoder.fit(table))
    places = torch.tensor([[0.0], [1.0], [-1.0], [2.0], [0.5], [float("nan")]], dtype=torch.float64)
    assert layer(places).argmax(1).tolist() == [0, 1, 2, 2, 2, 3]
