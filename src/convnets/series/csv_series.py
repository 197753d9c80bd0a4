"""Series in CSV and Parquet files: one in each row, or long ones with a step in each row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from convnets.errors import DataError
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.series.windows import windows
from convnets.tables.load_table import open_table
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column, TableSet

__all__ = ["column_of_series", "series_of_rows", "windows_of_steps"]


def series_of_rows(
    path: Path, options: SeriesOptions, source: str, *, targets: bool, known: tuple[str, ...] = ()
) -> SeriesSet:
    """Each row a series of one channel: its numbers, in the order of the columns, or of those that are `known`."""
    asked = options.target if targets else ()
    if known:
        table = open_table(path, TableOptions(asked, numeric=known, only=known, **options.notation))
        values = np.stack([table.column(name).values for name in known], axis=1)[:, None]
        return SeriesSet(values, ("x",), table.targets, source, len(known), notes=table.notes, steps=known)
    table = open_table(path, TableOptions(target=asked, drop=options.drop, **options.notation))
    columns = [column for column in table.columns if column.name not in options.target]
    steps = [column for column in columns if column.kind == "number"]
    others = [column.name for column in columns if column.kind != "number"]
    if others:
        raise DataError(
            f"{source}: column {others[0]!r} holds no numbers, and each is a step of the series; leave it out (--drop "
            f"{others[0]}), or make it the target"
        )
    values = np.stack([column.values for column in steps], axis=1)[:, None]
    return SeriesSet(values, ("x",), table.targets, source, values.shape[2], notes=table.notes,
                     steps=tuple(column.name for column in steps))  # fmt: skip


def windows_of_steps(
    path: Path, options: SeriesOptions, source: str, *, targets: bool, known: tuple[str, ...] = ()
) -> SeriesSet:
    """Each row a step of a long series, or of several that the column `by` tells apart.

    Channels are all columns of numbers, or those that are `known`, in any order among others.
    """
    table = _steps(path, options, targets=targets, known=known)
    order, bounds = _in_order(table, options.by, source)
    channels = [column for column in table.columns if column.kind == "number" and column.name != options.by]
    if known:
        channels = [table.column(name) for name in known]
    asked = (*options.target, options.by)
    extra = [
        column.name for column in table.columns if column.kind == "category" and column.name not in asked
    ]
    if extra and not known:
        raise DataError(
            f"{source}: column {extra[0]!r} holds names, which are no channel; leave it out (--drop {extra[0]}), or "
            f"let it tell series apart (--by {extra[0]})"
        )
    if not channels:
        raise DataError(f"{source} has no column of numbers to make windows of")
    chosen = [table.column(name) for name in options.target] if targets else []
    dates = [column.name for column in chosen if column.kind == "date"]
    if dates:
        raise DataError(
            f"{source}: the target {dates[0]!r} holds dates; allowed: a column of numbers or classes"
        )
    classes = [column for column in chosen if column.kind == "category"]
    if classes and len(chosen) > 1:
        raise DataError(
            f"{source}: several targets with classes; allowed: one of classes, or several numbers"
        )
    return windows(
        np.stack([column.values[order] for column in channels]),
        tuple(column.name for column in channels),
        {column.name: column.values[order] for column in chosen if column.kind == "number"},
        Column(classes[0].name, "category", classes[0].values[order], classes[0].categories)
        if classes
        else None,
        bounds,
        options,
        source,
        tuple(note for note in table.notes if "decimal" in note or "cp1252" in note or "left out" in note),
    )


def column_of_series(path: Path, options: SeriesOptions, name: str) -> Column:
    """Any column of the file, a value for each series, or for each window that at its last step.

    Values are in the order of `SeriesSet.whole`. Raises DataError for a column that is not there.
    """
    by = () if options.by in (None, name) or options.window is None else (options.by,)
    table = open_table(path, TableOptions(only=(name, *by), **options.notation))
    column = table.column(name)
    if options.window is None:
        return column
    order, _ = _in_order(table, options.by, str(path))
    return replace(column, rows=order[options.window - 1 :])


def _steps(path: Path, options: SeriesOptions, *, targets: bool, known: tuple[str, ...]) -> TableSet:
    """The file's columns but those that are dropped; the known ones hold numbers."""
    asked = (
        *(options.target if targets or not known else ()),
        *(() if options.by is None else (options.by,)),
    )
    if not known:
        table = open_table(path, TableOptions(drop=options.drop, **options.notation))
        for name in asked:
            table = _with(table, name, path, options)
        return table
    table = open_table(path, TableOptions(numeric=known, **options.notation))
    kept = tuple(column for column in table.columns if column.name not in options.drop)
    table = replace(table, columns=kept)
    for name in asked:
        table = _with(table, name, path, replace(options, drop=()))
    return table


def _with(table: TableSet, name: str, path: Path, options: SeriesOptions) -> TableSet:
    """The table with a column that was left out as telling nothing, such as one that counts the rows."""
    if any(column.name == name for column in table.columns):
        return table
    alone = open_table(path, TableOptions(only=(*table.names, name), drop=options.drop, **options.notation))
    return TableSet(alone.columns, (), table.source, table.notes)


def _in_order(
    table: TableSet, by: str | None, source: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], tuple[tuple[int, int], ...]]:
    """The rows series by series, and where each begins and ends; rows with dates have to be in their order."""
    order = np.arange(len(table))
    bounds = [(0, len(table))]
    if by is not None:
        _, groups = np.unique(table.column(by).values, return_inverse=True)
        order = np.argsort(groups, kind="stable")
        ends = np.cumsum(np.bincount(groups)).tolist()
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
    for column in table.columns:
        if column.kind != "date":
            continue
        for begin, end in bounds:
            steps = np.diff(column.values[order[begin:end]])
            if (steps < 0).any():
                row = int(order[begin:end][int((steps < 0).argmax()) + 1]) + 1
                raise DataError(
                    f"{source}, row {row}: {column.name} goes back in time; sort the rows, or say which column tells "
                    "series apart (--by NAME)"
                )
    return order, tuple(bounds)
