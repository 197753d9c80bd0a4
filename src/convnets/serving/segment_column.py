"""Any column of what was evaluated, also one that the network never saw: to tell segments apart by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convnets.errors import DataError
from convnets.series.csv_series import column_of_series
from convnets.series.examples import ExampleSet
from convnets.series.load_series import is_of_series
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.tables.load_table import open_table
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column, TableSet

__all__ = ["column_beside"]


def column_beside(
    examples: ExampleSet, name: str, data: str | Path | Any, options: TableOptions | SeriesOptions
) -> Column:
    """The column `name` of `data`, which `examples` are rows or series of, as they are; targets count as columns.

    `options` say how the file is read. Raises DataError for a column that is not there, and where there are none, as
    in arrays of series.
    """
    columns = examples.columns if isinstance(examples, TableSet) else ()
    for column in (*columns, *examples.targets):
        if column.name == name:
            return column
    if isinstance(examples, SeriesSet):
        path = Path(data).expanduser() if isinstance(data, str | Path) else None
        if path is None or is_of_series(path) or not isinstance(options, SeriesOptions):
            raise DataError(
                f"{examples.source} has no columns to tell segments apart by, and {name!r} is not its target; allowed: "
                "tables, and series from CSV or Parquet files"
            )
        return _at(column_of_series(path, options, name), examples.places)
    if isinstance(data, TableSet):
        return examples.column(name)  # which says what there is
    assert isinstance(options, TableOptions)  # as the rows are of a table
    column = open_table(data, replace(options, only=(name,))).column(name)
    rows = examples.columns[0].rows
    return column if rows is None else _at(column, rows)


def _at(column: Column, places: np.ndarray[Any, np.dtype[np.int64]]) -> Column:
    return replace(column, rows=places if column.rows is None else column.rows[places])
