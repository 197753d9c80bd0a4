"""The house-prices chapter of both editions, on CSV files of its shape that are made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import torch
from torch import nn

from convnets import d2l
from convnets.errors import ConfigError, DataError, InputError, UsageError


def table(rows: int, seed: int, first: int, priced: bool) -> pandas.DataFrame:
    rng = numpy.random.default_rng(seed)
    area, quality = rng.uniform(400, 3000, rows), rng.integers(1, 11, rows)
    zone = rng.choice(["RL", "RM", None], rows, p=[0.6, 0.3, 0.1])
    made: dict[str, Any] = {
        "Id": numpy.arange(first, first + rows),
        "LotArea": area,
        "OverallQual": quality,
        "MSZoning": zone,
        "YearBuilt": numpy.where(rng.random(rows) < 0.1, numpy.nan, rng.integers(1900, 2010, rows)),
    }
    if priced:
        noise = rng.normal(0, 0.1, rows)
        made["SalePrice"] = numpy.exp(11 + 0.0003 * area + 0.08 * quality + 0.1 * (zone == "RL") + noise)
    return pandas.DataFrame(made)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    paths = tmp_path / "train.csv", tmp_path / "test.csv"
    table(203, 0, 1, True).to_csv(paths[0], index=False)
    table(50, 1, 204, False).to_csv(paths[1], index=False)
    return paths


def test_the_first_editions_chapter_runs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    train_data, test_data = (pandas.read_csv(path) for path in files)
    both = pandas.concat((train_data.iloc[:, 1:-1], test_data.iloc[:, 1:]))
    numeric = both.select_dtypes("number").columns
    both[numeric] = both[numeric].apply(lambda x: (x - x.mean()) / x.std()).fillna(0)
    both = pandas.get_dummies(both, dummy_na=True, dtype=float)
    features = torch.tensor(both.to_numpy(), dtype=torch.float32)
    rows = len(train_data)
    labels = torch.tensor(train_data.SalePrice.values.reshape(-1, 1), dtype=torch.float32)
    train_l, valid_l = d2l.k_fold(5, features[:rows], labels, 60, 500, 0, 64)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"fold {i}" for i in range(1, 6)]
    valid = [float(line.rsplit(" ", 1)[1]) for line in lines]
    assert valid_l == pytest.approx(sum(valid) / 5, abs=1e-6)
    assert 0 < train_l < 1  # an untrained network, whose prices are about 0, is off by about 12
    d2l.train_and_pred(features[:rows], features[rows:], labels, test_data, 60, 500, 0, 64)
    written = pandas.read_csv("submission.csv")
    assert list(written) == ["Id", "SalePrice"]
    assert written.Id.tolist() == list(range(204, 254))
    assert written.SalePrice.gt(0).all()


def test_the_second_editions_chapter_runs(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = d2l.KaggleHouse(batch_size=16, files=files)
    assert data.raw_train.shape == (203, 6)
    data.preprocess()
    trainer = d2l.Trainer(max_epochs=60)
    models = d2l.k_fold(trainer, data, k=5, lr=0.05)
    assert len(models) == 5
    loss = float(capsys.readouterr().out.rpartition("= ")[2])
    spread = float(numpy.log(data.raw_train.SalePrice).var())
    assert loss < spread / 2  # it learned more than the mean of the logarithms
    preds = [model(torch.tensor(data.val.values.astype(float), dtype=torch.float32)) for model in models]
    prices = torch.exp(torch.cat(preds, 1)).mean(1)
    assert prices.shape == (50,)


def test_preprocessing_is_pandas_own(files: tuple[Path, Path]) -> None:
    data = d2l.KaggleHouse(8, files=files)
    data.preprocess()
    both = pandas.concat([data.raw_train.drop(columns="SalePrice"), data.raw_val], ignore_index=True)
    dummies = pandas.get_dummies(both[["MSZoning"]], dummy_na=True)
    ours = pandas.concat([data.train.drop(columns="SalePrice"), data.val])
    assert ours[list(dummies)].equals(dummies)
    year = both.YearBuilt
    expected = ((year - year.mean()) / year.std()).fillna(0)
    assert numpy.allclose(ours.YearBuilt, expected)
    X, y = next(iter(data.get_dataloader(True)))  # type: ignore[arg-type]
    assert (X.shape[0], y.shape) == (8, (8, 1))
    assert data.val_dataloader() is None


@pytest.mark.parametrize("rows", [10, 11])
def test_folds_hold_every_row_once(rows: int) -> None:
    X, y = torch.arange(2 * rows).reshape(rows, 2), torch.arange(rows)
    seen = []
    for i in range(3):
        X_train, y_train, X_valid, y_valid = d2l.get_k_fold_data(3, i, X, y)
        assert sorted(y_train.tolist() + y_valid.tolist()) == list(range(rows))
        assert torch.equal(X_valid[:, 0], 2 * y_valid)
        assert torch.equal(X_train[:, 0], 2 * y_train)
        seen += y_valid.tolist()
    assert seen == list(range(rows))


def test_log_rmse_against_a_loop() -> None:
    torch.manual_seed(0)
    net, x, y = nn.Linear(3, 1), torch.rand(7, 3) * 50, torch.rand(7, 1) * 9 + 1
    squares = 0.0
    for row, label in zip(net(x).double().tolist(), y.double().tolist(), strict=True):
        squares += (numpy.log(max(row[0], 1.0)) - numpy.log(label[0])) ** 2
    assert d2l.log_rmse(net, x, y) == pytest.approx((squares / 7) ** 0.5, rel=1e-5)


def test_what_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    X, y = torch.zeros(4, 2), torch.ones(4, 1)
    for k, i in ((1, 0), (5, 0), (2, 2)):
        with pytest.raises(ConfigError, match=f"k is {k}, i is {i}"):
            d2l.get_k_fold_data(k, i, X, y)
    with pytest.raises(InputError, match="allowed: the same"):
        d2l.log_rmse(lambda x: x[:, 0], X, y)
    with pytest.raises(DataError, match="no column 'Price'"):
        d2l.KaggleHouse(4, files=files, label="Price")
    with pytest.raises(DataError, match="cannot be read as CSV"):
        d2l.KaggleHouse(4, files=(tmp_path / "none.csv", files[1]))
    with pytest.raises(UsageError, match="call preprocess"):
        d2l.KaggleHouse(4, files=files).train_dataloader()
    wrong = table(5, 0, 1, True)
    wrong.loc[2, "SalePrice"] = -1
    wrong.to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(DataError, match="1 of 5 rows"):
        d2l.KaggleHouse(4, files=(tmp_path / "wrong.csv", files[1]))
