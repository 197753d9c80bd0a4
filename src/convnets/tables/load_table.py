"""load_table: a CSV or Parquet file, a pandas DataFrame or a NumPy array as a TableSet, with its types found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convnets.errors import DataError, InputError
from convnets.tables.arrow_csv import read_by_arrow
from convnets.tables.column_reading import ColumnReader, Wider
from convnets.tables.csv_file import CsvFile
from convnets.tables.misfits import misfit_of
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column, TableSet
from convnets.tables.tables_in_memory import columns_of_array, columns_of_frame, read_parquet
from convnets.tables.values import Notation, numbers_of

__all__ = ["load_table", "open_table"]

_SAMPLE_ROWS = 1000
_DECIMAL_COMMA = "numbers are written with a decimal comma"
_UNIQUE_FROM = 50  # rows from which a column that never repeats is taken for a name


def load_table(
    data: str | Path | Any,
    target: str | Sequence[str] = (),
    *,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    dates: Sequence[str] = (),
    drop: Sequence[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str = "",
    date_format: str | None = None,
) -> TableSet:
    """Read a table: what each column holds is found out, shown by `print`, and can be said otherwise.

    Args:
        data: path of a CSV file (its first row names the columns), of a Parquet file, a pandas DataFrame, or a NumPy
            array N×C, whose columns are x1, x2 …
        target: the column to predict, or several; none for rows that are to be predicted.
        numeric: columns that hold numbers; another cell is an error.
        categorical: columns whose cells are names, numbers too.
        dates: columns that hold dates.
        drop: columns to leave out.
        encoding: of a CSV file, where it is not found out; delimiter, decimal and thousands likewise.
        delimiter: between cells.
        decimal: . or , in numbers.
        thousands: what stands between thousands.
        date_format: such as %d.%m.%Y; by default dates are as ISO 8601 has them.

    A column that counts the rows, or of names that never repeat, is left out, and a note says so. Parquet and
    DataFrames need pandas. Raises DataError for a file that is no table or lacks a column, ConfigError for options
    that contradict each other.

    >>> table = load_table(np.array([[1.0, 2.0], [3.0, np.nan]]), target="x1")
    >>> len(table), table.names
    (2, ('x2',))
    """
    options = TableOptions(
        _names(target),
        _names(numeric),
        _names(categorical),
        _names(dates),
        _names(drop),
        (),
        encoding,
        delimiter,
        decimal,
        thousands,
        date_format,
    )
    return open_table(data, options)


def open_table(data: str | Path | Any, options: TableOptions) -> TableSet:
    """`load_table`, with the options in one record."""
    notes: list[str] = []
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        source = str(data)
        if path.suffix.lower() in (".parquet", ".pq"):
            columns = columns_of_frame(read_parquet(path), options)
        else:
            columns = _from_csv(path, options, notes)
    elif isinstance(data, np.ndarray):
        source, columns = "given array", columns_of_array(data, options)
    elif hasattr(data, "columns") and hasattr(data, "dtypes"):
        source, columns = "given table", columns_of_frame(data, options)
    else:
        raise InputError(
            f"table is {type(data).__name__}; allowed: a path, a pandas DataFrame or a NumPy array N×C"
        )
    notation = Notation(
        "," if _DECIMAL_COMMA in notes else options.decimal or ".", options.thousands, options.date_format
    )
    table = _arranged(columns, options, source, notes, notation)
    if isinstance(data, str | Path):
        where = str(Path(data).expanduser().absolute())
        table = replace(table, read_from={"path": where, "options": options.to_dict()})
    return table


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _from_csv(path: Path, options: TableOptions, notes: list[str]) -> list[Column]:
    file = CsvFile.open(path, options.encoding, options.delimiter)
    chosen = options.places(file.names, str(path))
    if file.encoding == "cp1252" and options.encoding is None:
        notes.append(f"{path} is not UTF-8 and was read as cp1252; say otherwise with encoding=")
    notation = Notation(options.decimal or ".", options.thousands, options.date_format)
    if options.decimal is None and file.delimiter != "," and _writes_commas(file, chosen):
        notation = Notation(",", options.thousands, options.date_format)
        notes.append(_DECIMAL_COMMA)
    least: dict[str, str] = {}
    columns = read_by_arrow(file, chosen, options.asked, notation)
    while columns is None:
        readers = {
            place: ColumnReader(
                file.names[place],
                notation,
                asked=options.asked.get(file.names[place]),
                least=least.get(file.names[place], "number"),
            )
            for place in chosen
        }
        try:
            for before, rows in file.pieces():
                cells = list(zip(*rows, strict=True))
                wider: dict[str, str] = {}
                for place, reader in readers.items():
                    try:
                        reader.read(cells[place], before)
                    except Wider as found:
                        wider |= found.kinds
                if wider:
                    raise Wider(wider)
        except Wider as found:  # seldom: what began as numbers goes on as text
            least |= found.kinds
            continue
        except DataError as error:
            raise DataError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
        columns = [readers.pop(place).column() for place in chosen]
    return columns


def _writes_commas(file: CsvFile, chosen: Sequence[int]) -> bool:
    """Whether some column of the first rows holds numbers only if the comma is the decimal point."""
    _, rows = next(file.pieces())
    for place in chosen:
        cells = [row[place] for row in rows[:_SAMPLE_ROWS]]
        if not any("," in cell for cell in cells):
            continue
        try:
            numbers_of(cells, Notation(","))
        except ValueError:
            continue
        return True
    return False


def _arranged(
    columns: list[Column], options: TableOptions, source: str, notes: list[str], notation: Notation
) -> TableSet:
    """Targets apart from the rest, and columns left out that tell nothing of a new row."""
    by_name = {column.name: column for column in columns}
    targets = tuple(by_name[name] for name in options.target)
    kept = []
    for column in columns:
        misfit = None if options.only or column.name in options.asked else misfit_of(column, notation)
        if column.name in options.target:
            if misfit is not None:
                raise DataError(f"{source}: the target {misfit}")
            continue
        if misfit is not None:
            notes.append(f"{misfit}; it is read as categories")
        why = None if options.only or column.name in options.asked else _tells_nothing(column)
        if why is None:
            kept.append(column)
        else:
            flag = "numeric" if column.kind == "number" else "categorical"
            notes.append(f"column {column.name!r} {why}: left out; --{flag} {column.name} keeps it")
    if not kept:
        named = ", ".join(by_name)[:100] or "none"
        raise DataError(
            f"{source} has no column to predict from beside the target (columns: {named}); "
            "give a table of two columns or more, or another delimiter"
        )
    return replace(TableSet(tuple(kept), targets, source), notes=tuple(notes))


def _tells_nothing(column: Column) -> str | None:
    """Why a column is of no use, in a few words; None where it may be of use."""
    if column.missing.all():
        return "has no values"
    if len(column) < _UNIQUE_FROM or column.missing.any():
        return None
    if column.kind == "category" and len(column.categories) == len(column):
        return "has another value in every row"
    if column.kind == "number" and bool((np.diff(column.values) == 1).all()):
        return "counts the rows"
    return None
