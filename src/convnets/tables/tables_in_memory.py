"""Columns of what is in memory: a pandas DataFrame, which Parquet files are read by too, and a NumPy array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convnets.errors import DataError, InputError, UsageError
from convnets.tables.column_reading import ColumnReader
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column
from convnets.tables.values import Notation, beyond_reach

__all__ = ["columns_of_array", "columns_of_frame", "read_parquet"]


def read_parquet(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a CSV or Parquet file")
    try:
        import pandas
        import pyarrow  # noqa: F401  what pandas reads it by
    except ImportError:
        raise UsageError(
            f"{path} needs pandas and pyarrow, which are not installed; pip install 'convnets[tables]'"
        ) from None
    try:
        return pandas.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file ({str(error).splitlines()[0][:80]})") from None


def columns_of_frame(frame: Any, options: TableOptions) -> list[Column]:
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the table names the column {twice[0]!r} twice; give each column a name of its own")
    chosen = options.places(names, "the table")
    return [_of_series(names[place], frame.iloc[:, place], options) for place in chosen]


def _of_series(name: str, series: Any, options: TableOptions) -> Column:
    kind, asked = series.dtype.kind, options.asked.get(name)
    if kind == "M" and asked in (None, "date"):
        moments = series.dt.tz_convert(None) if getattr(series.dtype, "tz", None) is not None else series
        microseconds = moments.to_numpy("datetime64[us]")
        days = microseconds.astype(np.int64) / 86_400e6
        return Column(name, "date", np.where(np.isnat(microseconds), np.nan, days))
    absent = series.isna().to_numpy()
    if kind in "iuf" and asked in (None, "number"):
        values = series.to_numpy(dtype=float, na_value=np.nan)
        if (far := beyond_reach(values)).any():
            row = int(far.argmax()) + 1
            raise DataError(
                f"column {name!r}, row {row}: {values[row - 1]}; allowed: finite numbers to 1e100"
            )
        return Column(name, "number", values)
    cells = ["" if gone else str(value) for gone, value in zip(absent, series.tolist(), strict=True)]
    # text in memory was made text by somebody, and stays it unless another kind is asked for
    reader = ColumnReader(name, Notation(), asked=asked or "category")
    reader.read(cells, 0)
    return reader.column()


def columns_of_array(array: np.ndarray[Any, Any], options: TableOptions) -> list[Column]:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"array is {'×'.join(map(str, array.shape))} of {array.dtype}; allowed: numbers N×C, a row for each example"
        )
    names = [f"x{place}" for place in range(1, array.shape[1] + 1)]
    chosen = options.places(names, "the array")
    if (far := beyond_reach(array)).any():
        row, place = np.argwhere(far)[0].tolist()
        raise DataError(
            f"column {names[place]!r}, row {row + 1}: {array[row, place]}; allowed: finite numbers to 1e100"
        )
    columns = [Column(names[place], "number", array[:, place].astype(float)) for place in chosen]
    return [_as_category(each) if options.asked.get(each.name) == "category" else each for each in columns]


def _as_category(column: Column) -> Column:
    """Numbers as names: 1.0 is called 1."""
    reader = ColumnReader(column.name, Notation(), asked="category")
    reader.read(["" if text is None else text for text in column.texts()], 0)
    return reader.column()
