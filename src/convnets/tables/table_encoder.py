"""TableEncoder: how the rows of a table become a network's input. It travels inside the model folder.

A table's counterpart of `Preprocess`. N rows, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from convnets.errors import ConfigError, DataError
from convnets.tables.column_encoders import (
    Bins,
    Categories,
    ColumnEncoder,
    Standardized,
    fit_bins,
    fit_categories,
)
from convnets.tables.encoded_rows import EncodedRows, Inputs
from convnets.tables.load_table import open_table
from convnets.tables.room import fits_in_memory, room_for
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import TableSet

__all__ = ["TableEncoder"]

_AT_ONCE = 1 << 16  # rows: their values stay in the cache


@dataclass(frozen=True)
class TableEncoder:
    """An encoder for each column, in the order of the table that they were fitted on.

    >>> from convnets.tables.load_table import load_table
    >>> table = load_table(np.array([[1.0], [3.0]]))
    >>> TableEncoder.fit(table)(table)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    columns: tuple[ColumnEncoder, ...]
    notation: Mapping[str, Any]
    """How files of the table are written: delimiter, decimal …, as far as it was said."""

    @classmethod
    def fit(
        cls,
        table: TableSet,
        *,
        bins: Mapping[str, str] | None = None,
        most_categories: int = 100,
        fewest_rows: int = 1,
        notation: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit every column on the rows of `table`, which are to be training rows alone.

        bins: columns of numbers to cut into bins, such as {"age": "frequency:8"}.
        most_categories, fewest_rows: of a column the most frequent categories that have a column of their own, and
            the rows that each needs; the others share one.
        """
        bins = dict(bins or {})
        for name in bins:
            table.column(name)
            if name not in table.names:
                raise ConfigError(f"bins of {name!r}, which is the target; allowed: columns to predict from")
        fitted: list[ColumnEncoder] = []
        for column in table.columns:
            if column.name in bins:
                fitted.append(fit_bins(column, bins[column.name], seed))
            elif column.kind == "category":
                fitted.append(fit_categories(column, most_categories, fewest_rows))
            else:
                fitted.append(Standardized.fit(column))
        return cls(tuple(fitted), dict(notation or {}))

    @property
    def features(self) -> list[str]:
        """Names of the D numbers."""
        return [name for column in self.columns for name in column.features]

    @property
    def shape(self) -> tuple[int]:
        """Of one input: D."""
        return (len(self.features),)

    @property
    def groups(self) -> dict[str, slice]:
        """By column which of the D numbers it becomes."""
        found, place = {}, 0
        for encoder in self.columns:
            found[encoder.name] = slice(place, place + len(encoder.features))
            place += len(encoder.features)
        return found

    def notes(self, table: TableSet) -> list[str]:
        """Of columns with more categories in `table` than have a number of their own, for people."""
        found = []
        for encoder in self.columns:
            if not isinstance(encoder, Categories):
                continue
            codes = table.column(encoder.name).values
            there = int(np.count_nonzero(np.bincount(codes[codes >= 0])))
            if there > len(encoder.categories):
                found.append(
                    f"column {encoder.name!r} has {there:,} categories: the {len(encoder.categories):,} most frequent "
                    "have a number of their own, the others share one"
                )
        return found

    @property
    def about(self) -> str:
        """What goes in, in a few words."""
        return f"{len(self.columns)} columns, {len(self.features)} numbers"

    def __call__(self, table: TableSet) -> NDArray[np.float32]:
        """float32 N×D, all at once. Raises what `encode` raises."""
        found: NDArray[np.float32] = self.encode(table)[:].numpy()
        return found

    def encode(self, table: TableSet) -> Inputs:
        """The rows, any of which can be asked for as float32 n×D.

        Columns are found by name, in any order; others are passed over.

        Raises DataError where a column is missing or of another kind.
        """
        self._check(table)
        rows = self._room(len(table))
        for start in range(0, len(table), _AT_ONCE):
            piece = (
                table if len(table) <= _AT_ONCE else table.subset(range(len(table))[start : start + _AT_ONCE])
            )
            place = number = one = 0
            for encoder in self.columns:
                found = torch.from_numpy(encoder(piece.column(encoder.name)))
                if encoder.one_hot:
                    rows.ones[start : start + len(piece), one] = found + place
                    one += 1
                else:
                    rows.numbers[start : start + len(piece), number] = found
                    number += 1
                place += len(encoder.features)
        return rows

    def _check(self, table: TableSet) -> None:
        names = set(table.names)
        missing = [column.name for column in self.columns if column.name not in names]
        if missing:
            shown = ", ".join(map(repr, missing[:5]))
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise DataError(
                f"{table.source} lacks the column {shown}{more} that the model was trained on; names are matched"
            )
        for encoder in self.columns:
            column = table.column(encoder.name)
            if column.kind != encoder.kind:
                raise DataError(
                    f"{table.source}: column {column.name!r} holds a {column.kind} where the model was trained on a "
                    f"{encoder.kind}; correct its cells"
                )

    def _room(self, rows: int) -> EncodedRows:
        """What `encode` fills, with what is the same for all rows."""
        places, flags, fills, place = [], [], [], 0
        for encoder in self.columns:
            if isinstance(encoder, Standardized):
                places.append(place)
                flags.append(place + 1 if encoder.flag else 0)
                fills.append(encoder.fill)
            place += len(encoder.features)
        others = len(self.columns) - len(places)
        narrow = np.int16 if place <= 2**15 else np.int32
        in_memory = fits_in_memory(rows * (4 * len(places) + narrow().nbytes * others))
        return EncodedRows(
            torch.from_numpy(room_for((rows, len(places)), np.float32, in_memory=in_memory)),
            torch.from_numpy(room_for((rows, others), narrow, in_memory=in_memory)),
            torch.tensor(places, dtype=torch.int64),
            torch.tensor(flags, dtype=torch.int64),
            torch.tensor(fills, dtype=torch.float32),
            place,
        )

    def read(self, data: str | Path | Any, target: tuple[str, ...] = (), **kinds: Any) -> TableSet:
        """A further table as the first one was read: the same columns, of the same kinds."""
        by_kind = {
            kind: tuple(column.name for column in self.columns if column.kind == kind)
            for kind in ("number", "category", "date")
        }
        options = TableOptions(
            target,
            by_kind["number"] + kinds.get("numeric", ()),
            by_kind["category"] + kinds.get("categorical", ()),
            by_kind["date"],
            only=tuple(column.name for column in self.columns),
            **self.notation,
        )
        return open_table(data, options)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"columns": [column.to_dict() for column in self.columns], "notation": dict(self.notation)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ConfigError for anything else."""
        try:
            return cls(tuple(_column(each) for each in values["columns"]), dict(values["notation"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"the encoder of a table lacks or mistypes {str(error)[:100]}") from None


def _column(values: Mapping[str, Any]) -> ColumnEncoder:
    given = {key: value for key, value in values.items() if key != "encoder"}
    match values["encoder"]:
        case "standardized":
            return Standardized(**given)
        case "categories":
            usual = given.get("usual")
            names = tuple(map(str, given["categories"]))
            return Categories(given["name"], names, usual=None if usual is None else str(usual))
        case "bins":
            return Bins(given["name"], tuple(map(float, given["edges"])), given["method"], given["kind"])
        case other:
            raise ValueError(f"an encoder called {other!r}")
