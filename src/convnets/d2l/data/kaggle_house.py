"""House prices of the later edition: a CSV of sold houses and one of houses to price, as batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from convnets.d2l.data.data_modules import DataModule
from convnets.d2l.data.hub import download
from convnets.errors import ConfigError, DataError, UsageError

__all__ = ["KaggleHouse", "import_pandas", "k_fold_data"]


def import_pandas() -> Any:
    """pandas, which the extra `tables` brings; raises UsageError that says so where it is not installed."""
    try:
        import pandas
    except ImportError:
        raise UsageError(
            "tables need pandas, which is not installed; pip install 'convnets[tables]'"
        ) from None
    return pandas


class KaggleHouse(DataModule):
    """Kaggle's house prices, or any two CSV files of that shape: an identifier, features, and in one of them a label.

    Without `files` the book's own files are downloaded. `preprocess()` fills `train` and `val`: numbers are
    standardized and missing ones become 0, the mean; every category is a column, and a missing one is a category.
    Batches hold the features (float N×D) and the logarithm of the label (N×1).

    Args:
        batch_size: rows of a batch.
        train: a table that is preprocessed already, label included; `val` likewise. `k_fold_data` gives them.
        files: paths of the CSV with the label and of the one without.
        label: the column to predict, a positive number.
        identifier: the column that names a row and is no feature.

    Raises DataError where a column is missing, or a label is missing or not above 0.
    """

    def __init__(
        self,
        batch_size: int,
        train: Any = None,
        val: Any = None,
        *,
        files: Sequence[str | Path] | None = None,
        label: str = "SalePrice",
        identifier: str = "Id",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size, self.train, self.val = batch_size, train, val
        self.label, self.identifier = label, identifier
        if train is None:
            given = files or (download("kaggle_house_train"), download("kaggle_house_test"))
            if len(given) != 2:
                raise ConfigError(f"files holds {len(given)} paths; allowed: 2, with and without the label")
            self.raw_train, self.raw_val = (_read(Path(path)) for path in given)
            self._check(self.raw_train, Path(given[0]), (identifier, label))
            self._check(self.raw_val, Path(given[1]), (identifier,))

    def preprocess(self) -> None:
        """Make `train` and `val` of the raw tables; means and categories are those of both together, as in the book."""
        pandas = import_pandas()
        train = self.raw_train.drop(columns=[self.identifier, self.label])
        val = self.raw_val.drop(columns=[self.identifier, self.label], errors="ignore")
        features = pandas.concat((train, val), ignore_index=True)
        numeric = features.select_dtypes("number").columns
        spread = features[numeric].std()
        spread = spread.where(spread > 0, 1.0)  # a constant column tells nothing, and stays 0
        features[numeric] = ((features[numeric] - features[numeric].mean()) / spread).fillna(0)
        features = pandas.get_dummies(features, dummy_na=True)
        rows = len(self.raw_train)
        self.train = features[:rows].copy()
        self.train[self.label] = self.raw_train[self.label].to_numpy()
        self.val = features[rows:].copy()

    def get_dataloader(self, train: bool) -> Iterable[Any] | None:  # type: ignore[override]
        """Batches of features and log labels; None for a table without labels, as that of the competition."""
        data = self.train if train else self.val
        if data is None:
            raise UsageError("the table is not preprocessed; call preprocess() before")
        if self.label not in data:
            return None
        features = torch.tensor(data.drop(columns=[self.label]).to_numpy(float), dtype=torch.float32)
        labels = torch.tensor(data[self.label].to_numpy(float), dtype=torch.float32)
        return self.get_tensorloader((features, torch.log(labels).reshape(-1, 1)), train)

    def _check(self, table: Any, path: Path, needed: Sequence[str]) -> None:
        missing = [name for name in needed if name not in table]
        if missing:
            raise DataError(
                f"{path} has no column {missing[0]!r}; it has: {', '.join(map(str, table))[:200]}"
            )
        if self.label in needed:
            labels = import_pandas().to_numeric(table[self.label], errors="coerce")
            wrong = int((~(labels > 0)).sum())
            if wrong:
                raise DataError(
                    f"{path}: {self.label} is missing or not above 0 in {wrong} of {len(table)} rows; "
                    "allowed: positive numbers, since their logarithm is learned"
                )


def k_fold_data(data: KaggleHouse, k: int) -> list[KaggleHouse]:
    """`k` data modules: each is judged by another part of `data.train`; the last part takes the rows that are left.

    Raises ConfigError where k is below 2 or above the number of rows.
    """
    if data.train is None:
        raise UsageError("the table is not preprocessed; call preprocess() before")
    rows = len(data.train)
    if not 2 <= k <= rows:
        raise ConfigError(f"k is {k}; allowed: 2 to the number of rows, {rows}")
    size, folds = rows // k, []
    for fold in range(k):
        end = rows if fold == k - 1 else (fold + 1) * size
        part = data.train.index[fold * size : end]
        folds.append(
            KaggleHouse(
                data.batch_size,
                data.train.drop(index=part),
                data.train.loc[part],
                label=data.label,
                identifier=data.identifier,
            )
        )
    return folds


def _read(path: Path) -> Any:
    pandas = import_pandas()
    try:
        table = pandas.read_csv(path)
    except (OSError, ValueError) as error:  # a parser's errors are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as CSV: {reason}") from None
    if not len(table):
        raise DataError(f"{path} has no rows; allowed: a line of names and rows below it")
    return table
