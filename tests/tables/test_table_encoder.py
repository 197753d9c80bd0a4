"""Encoders to the number of pandas' get_dummies and of scikit-learn's own classes, before and after JSON."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from convnets.errors import ConfigError, DataError
from convnets.tables.column_encoders import BINNINGS, Bins
from convnets.tables.load_table import load_table
from convnets.tables.table_encoder import TableEncoder


def mixed(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Numbers with and without gaps, categories with gaps."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.gamma(2, 50, rows),
            "year": rng.integers(1900, 2020, rows).astype(float),
            "street": rng.choice(["Pave", "Grvl", "Dirt"], rows),
            "alley": rng.choice(["a", "b"], rows),
        }
    )
    frame.loc[rng.random(rows) < 0.2, "size"] = np.nan
    frame.loc[rng.random(rows) < 0.3, "alley"] = None
    return frame


def again(encoder: TableEncoder) -> TableEncoder:
    return TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))


def test_categories_are_pandas_dummies_with_missing() -> None:
    frame = mixed()[["street", "alley"]]
    encoder = again(TableEncoder.fit(load_table(frame)))
    theirs = pd.get_dummies(frame, dummy_na=True)
    names = [name.replace("=(missing)", "_nan").replace("=", "_") for name in encoder.features]
    ours = pd.DataFrame(encoder(load_table(frame)), columns=names)
    assert np.array_equal(ours[list(theirs.columns)].to_numpy(), theirs.to_numpy(float))
    assert not ours[[name for name in names if name.endswith("(other)")]].to_numpy().any()


def test_numbers_are_scikit_learns() -> None:
    frame, new = mixed(), mixed(seed=1)
    encoder = again(TableEncoder.fit(load_table(frame[["size", "year"]])))
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    filled = imputer.fit_transform(frame[["size", "year"]])
    scaler = StandardScaler().fit(filled[:, :2])
    for each in (frame, new):
        theirs = imputer.transform(each[["size", "year"]])
        expected = np.column_stack([scaler.transform(theirs[:, :2]), theirs[:, 2]])[:, [0, 2, 1]]
        assert encoder.features == ["size", "size=(missing)", "year"]
        assert np.array_equal(encoder(load_table(each)), expected.astype(np.float32))


def test_a_table_is_what_a_column_transformer_makes_of_it() -> None:
    frame = mixed().drop(columns="alley")
    theirs = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["size", "year"]),
            ("names", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["street"]),
        ]
    ).fit(frame)
    new = mixed(seed=2).drop(columns="alley")
    new.loc[0, "street"] = "Stone"
    encoder = again(TableEncoder.fit(load_table(frame)))
    ours = pd.DataFrame(encoder(load_table(new)), columns=encoder.features)
    columns = ["size", "year", "street=Dirt", "street=Grvl", "street=Pave"]
    assert np.array_equal(ours[columns].to_numpy(), theirs.transform(new).astype(np.float32))
    assert ours["street=(other)"].tolist() == [1.0] + [0.0] * (len(new) - 1)


@pytest.mark.parametrize("method", sorted(BINNINGS))
def test_bins_are_scikit_learns(method: str) -> None:
    values = np.random.default_rng(0).gamma(2, 50, (300, 1))
    options: dict[str, Any] = {"subsample": None, "random_state": 0}
    if method == "frequency":
        options["quantile_method"] = "averaged_inverted_cdf"
    theirs = KBinsDiscretizer(8, encode="onehot-dense", strategy=BINNINGS[method], **options).fit(values)
    encoder = again(TableEncoder.fit(load_table(values), bins={"x1": f"{method}:8"}))
    column = encoder.columns[0]
    assert isinstance(column, Bins)
    assert column.edges == tuple(theirs.bin_edges_[0])
    new = np.concatenate([np.random.default_rng(1).gamma(2, 60, (99, 1)), theirs.bin_edges_[0][:, None]])
    assert np.array_equal(encoder(load_table(new))[:, :-1], theirs.transform(new))
    assert encoder(load_table(np.array([[np.nan], [1.0]])))[0].tolist() == [0.0] * 8 + [1.0]


def test_dates_are_ordinal() -> None:
    days = pd.date_range("2020-01-01", periods=30)
    encoder = TableEncoder.fit(load_table(pd.DataFrame({"day": days})))
    expected = StandardScaler().fit_transform(np.arange(30.0)[:, None])
    assert np.allclose(encoder(load_table(pd.DataFrame({"day": days}))), expected, atol=1e-6)


def test_rare_categories_share_a_column() -> None:
    frame = pd.DataFrame({"city": ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"]})
    few = TableEncoder.fit(load_table(frame), fewest_rows=3)
    assert few.features == ["city=a", "city=b", "city=(other)", "city=(missing)"]
    assert few(load_table(frame)).sum(0).tolist() == [5, 3, 3, 0]
    assert TableEncoder.fit(load_table(frame), most_categories=1).features[0] == "city=a"
    many = pd.DataFrame({"code": [f"c{place % 10_000}" for place in range(20_000)]})
    assert len(TableEncoder.fit(load_table(many)).features) == 102


def test_columns_are_found_by_name_in_any_order() -> None:
    frame = mixed()
    encoder = TableEncoder.fit(load_table(frame))
    shuffled = frame[["alley", "year", "size", "street"]].assign(more=1)
    assert np.array_equal(encoder(load_table(shuffled)), encoder(load_table(frame)))
    with pytest.raises(DataError, match="lacks the column 'size', 'alley' that the model was trained on"):
        encoder(load_table(frame.drop(columns=["alley", "size"])))
    with pytest.raises(DataError, match="has no column 'size'; it has: year"):
        encoder.read(frame.drop(columns="size"))
    with pytest.raises(DataError, match="column 'year', row 2: 'old' where a number is meant"):
        encoder.read(frame.astype({"year": object}).assign(year=["1999", "old"] * 100))
    with pytest.raises(DataError, match="'size' holds a category where the model was trained on a number"):
        encoder(load_table(frame.astype({"size": str})))


def test_a_column_without_values_and_a_constant_one_give_zeros() -> None:
    table = load_table(np.array([[np.nan, 3.0], [np.nan, 3.0]]), numeric=["x1"])
    assert TableEncoder.fit(table)(table).tolist() == [[0.0, 0.0]] * 2


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ({"size": "depth:8"}, "allowed: width:8, frequency:8 or clusters:8"),
        ({"size": "width:1"}, "with 2 to 1000 bins"),
        ({"size": "width"}, "bins of 'size' are 'width'"),
        ({"street": "width:3"}, "which holds categories"),
        ({"none": "width:3"}, "has no column 'none'"),
        ({"y": "width:3"}, "which is the target"),
    ],
)
def test_bad_bins_are_refused(bins: dict[str, str], message: str) -> None:
    table = load_table(mixed().assign(y=1.0), "y")
    with pytest.raises((ConfigError, DataError), match=message):
        TableEncoder.fit(table, bins=bins)


def test_damaged_encoders_are_refused() -> None:
    given = TableEncoder.fit(load_table(mixed())).to_dict()
    for damaged in ({}, {"columns": [{"encoder": "x"}], "notation": {}}, {**given, "columns": [1]}):
        with pytest.raises(ConfigError, match="the encoder of a table lacks or mistypes"):
            TableEncoder.from_dict(damaged)


def test_few_different_numbers_make_fewer_bins_without_a_warning() -> None:
    table = load_table(np.array([[0.0], [0.0], [0.0], [1.0], [2.0]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in BINNINGS:
            found = TableEncoder.fit(table, bins={"x1": f"{method}:4"})(table)
            assert found.sum(1).tolist() == [1.0] * 5


def test_large_tables_are_encoded_in_pieces_and_lie_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    mixed().to_csv(path, index=False)
    table = load_table(path)
    encoder = TableEncoder.fit(table)
    whole = encoder(table)
    for module in ("table_encoder", "arrow_csv"):
        monkeypatch.setattr(f"convnets.tables.{module}.fits_in_memory", lambda size: False)
    monkeypatch.setattr("convnets.tables.table_encoder._AT_ONCE", 7)
    again = load_table(path)
    assert isinstance(again.columns[0].whole, np.memmap)
    assert again.content_hash() == table.content_hash()
    rows = encoder.encode(again)
    assert rows.shape == whole.shape
    assert np.array_equal(rows[:].numpy(), whole)
    places = torch.tensor([5, 199, 5, 0])
    assert np.array_equal(rows[places].numpy(), whole[places.numpy()])
    assert rows.nbytes < whole.nbytes
