"""TableEncoder: how the rows of a table become a network's input. It travels inside the model folder.

A table's counterpart of `Preprocess`. N rows, D numbers of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
from convnets.tables.load_table import open_table
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import TableSet

__all__ = ["TableEncoder"]


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
    ) -> TableEncoder:
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

    def __call__(self, table: TableSet) -> NDArray[np.float32]:
        """float32 N×D. Columns are found by name, in any order; others are passed over.

        Raises DataError where a column is missing or of another kind.
        """
        names = set(table.names)
        missing = [column.name for column in self.columns if column.name not in names]
        if missing:
            shown = ", ".join(map(repr, missing[:5]))
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise DataError(
                f"{table.source} lacks the column {shown}{more} that the model was trained on; names are matched"
            )
        found, place = np.zeros((len(table), len(self.features)), dtype=np.float32), 0
        for encoder in self.columns:
            column = table.column(encoder.name)
            if column.kind != encoder.kind:
                raise DataError(
                    f"{table.source}: column {column.name!r} holds a {column.kind} where the model was trained on a "
                    f"{encoder.kind}; correct its cells"
                )
            end = place + len(encoder.features)
            encoder(column, found[:, place:end])
            place = end
        return found

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
    def from_dict(cls, values: Mapping[str, Any]) -> TableEncoder:
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
            return Categories(given["name"], tuple(map(str, given["categories"])))
        case "bins":
            return Bins(given["name"], tuple(map(float, given["edges"])), given["method"], given["kind"])
        case other:
            raise ValueError(f"an encoder called {other!r}")
