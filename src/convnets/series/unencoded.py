"""Examples as they are, for what encodes them itself, such as an ONNX file: one matrix, or series in their own unit.

N rows of C columns, or N series of C channels and L steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convnets.errors import DataError
from convnets.series.examples import ExampleEncoder
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_set import SeriesSet
from convnets.tables.column_encoders import Categories
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_set import TableSet

__all__ = ["UnencodedSeries", "UnencodedTable", "unencoded"]


class UnencodedTable(TableEncoder):
    """Finds the columns of an encoder, and leaves what is in them as it is.

    >>> from convnets.tables.table_set import Column
    >>> table = TableSet((Column("b", "category", np.array([1, -1]), ("x", "y")),), (), "an example")
    >>> UnencodedTable(TableEncoder.fit(table).columns, {}).encode(table).tolist()
    [[0.0], [nan]]
    """

    def encode(self, table: TableSet) -> Tensor:
        """float64 N×C in the encoder's order: numbers, dates in days since 1970, categories as their place in the
        encoder's list, −1 for any other; NaN where missing. Raises what `TableEncoder.encode` raises.
        """
        self._check(table)
        found = [
            _places(each, each(table.column(each.name)))
            if isinstance(each, Categories)
            else table.column(each.name).values.astype(np.float64)
            for each in self.columns
        ]
        return torch.from_numpy(np.stack(found, axis=1))


def _places(encoder: Categories, ones: NDArray[np.int32]) -> NDArray[np.float64]:
    known = len(encoder.categories)
    return np.where(ones == known + 1, np.nan, np.where(ones == known, -1.0, ones.astype(np.float64)))


class UnencodedSeries(SeriesEncoder):
    """Checks channels and length, and leaves the numbers in their own unit."""

    def encode(self, series: SeriesSet) -> Tensor:
        """float64 N×C×L, NaN where missing. Raises what `SeriesEncoder.encode` raises."""
        super().encode(series)
        return torch.from_numpy(np.ascontiguousarray(series.values).astype(np.float64))


def unencoded(encoder: ExampleEncoder) -> UnencodedTable | UnencodedSeries:
    """The counterpart of an encoder that leaves everything as it is; it reads files in the same way."""
    values: dict[str, Any] = encoder.to_dict()
    if isinstance(encoder, SeriesEncoder):
        return UnencodedSeries.from_dict(values)
    if isinstance(encoder, TableEncoder):
        return UnencodedTable.from_dict(values)
    raise DataError(f"{type(encoder).__name__} is no encoder of tables or series")
