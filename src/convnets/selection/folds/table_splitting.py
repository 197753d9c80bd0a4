"""Folds of a table's rows and of series: which learn and which are judged, with groups that are never in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from convnets.errors import ConfigError, DataError
from convnets.selection.folds.splitting import groups_of_names
from convnets.series.examples import ExampleSet
from convnets.series.series_set import SeriesSet
from convnets.series.sounds import sound_files
from convnets.tables.load_table import open_table
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import Column

__all__ = ["grouped", "split_examples"]

_NOTATION = ("encoding", "delimiter", "decimal", "thousands", "date_format")
_Split = tuple[NDArray[Any], NDArray[Any]]


def split_examples(examples: ExampleSet, folds: int, repeats: int, seed: int) -> list[_Split]:
    """Of each fold the places that learn and those that are judged.

    Groups are kept whole; without them windows of a long series go forward in time, and all else is shuffled by
    `seed`. Stratified where the target holds classes. Raises ConfigError and DataError for folds that cannot be made.
    """
    if folds < 2 or repeats < 1:
        raise ConfigError(f"{folds} folds, {repeats} repeats; allowed: 2 or more folds, 1 or more repeats")
    if len(examples) < 2 * folds:
        raise DataError(
            f"{examples.source}: {len(examples)} {examples.nouns} for {folds} folds; give at least {2 * folds}"
        )
    labels = _labels(examples)
    fewest = folds if labels is None else int(np.bincount(labels)[np.unique(labels)].min())
    if fewest < folds:
        raise DataError(
            f"{examples.source}: the smallest class has {fewest} {examples.nouns} for {folds} folds; give fewer folds"
        )
    if examples.groups is not None:
        groups = examples.groups.values
        count = len(np.unique(groups))
        if count < folds:
            raise DataError(
                f"{examples.source}: {count} groups for {folds} folds; give fewer folds, or a finer --group-by"
            )
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(groups, np.zeros(len(groups)) if labels is None else labels, groups))
    if isinstance(examples, SeriesSet) and examples.in_time:
        if repeats > 1:
            raise ConfigError("windows of a long series have one order; --repeats is 1 there")
        return list(examples.folds_in_time(folds))
    if labels is None:
        return list(KFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(examples))))
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels))


def _labels(examples: ExampleSet) -> NDArray[Any] | None:
    """Places of the classes; None for numbers, and where a class is missing, which is told of later."""
    target = examples.targets[0] if examples.targets else None
    if target is None or target.kind != "category" or target.missing.any():
        return None
    return target.values


def grouped(examples: ExampleSet, groups: str | Sequence[Any]) -> ExampleSet:
    """The examples with their groups: a value for each of them, or the name of the column that tells groups apart.

    A column that tells groups apart is not learned from: the values of the judged rows are new ones. Of windows it is
    the column that tells long series apart (`by`), of series in the rows of a file any column that was left out of
    the series, of a folder of sounds a regular expression on their paths.

    Raises ConfigError for another column, DataError where a value is missing.

    >>> from convnets.tables.table_set import TableSet
    >>> table = TableSet((Column("a", "number", np.arange(3.0)), Column("b", "number", np.ones(3))), (), "an example")
    >>> found = grouped(table, "b")
    >>> found.names, found.groups.values.tolist()
    (('a',), [0, 0, 0])
    """
    if not isinstance(groups, str):
        if len(groups) != len(examples):
            raise ConfigError(f"{len(groups)} groups for {len(examples)} {examples.nouns}; give one for each")
        return replace(examples, groups=_column("groups", np.unique(groups, return_inverse=True)[1]))
    if groups in {column.name for column in examples.targets}:
        raise ConfigError(f"group-by is {groups!r}, which is the target; allowed: another column")
    if isinstance(examples, SeriesSet):
        return _grouped_series(examples, groups)
    if groups in examples.names:
        column = examples.column(groups)
        kept = tuple(each for each in examples.columns if each.name != groups)
        if not kept:
            raise ConfigError(
                f"group-by is {groups!r}, the only column to predict from; give further columns"
            )
    else:
        column, kept = _read_again(examples, groups), examples.columns
    return replace(examples, columns=kept, groups=_codes(column, examples.source))


def _grouped_series(series: SeriesSet, name: str) -> ExampleSet:
    options = (series.read_from or {}).get("options", {})
    if series.in_time:
        if options.get("by") != name:
            raise ConfigError(
                f"group-by is {name!r} on windows of long series; allowed: the column that tells them apart (--by "
                "COLUMN), or no groups, for folds that go forward in time"
            )
        ends = np.array([end for _, end in series.bounds])
        codes = np.searchsorted(ends, np.arange(len(series.whole)), side="right")
        return replace(series, groups=replace(_column(name, codes), rows=series.rows))
    place = None if series.read_from is None else Path(series.read_from["path"])
    if place is not None and place.is_dir():
        names = [str(file.relative_to(place)) for file in sound_files(place)]
        return grouped(series, groups_of_names(names, name, series.source))
    if _file_of_columns(series) is not None and name not in options["drop"]:
        raise ConfigError(
            f"group-by is {name!r}, which is not left out of the series; leave it out: --drop {name}"
        )
    return replace(series, groups=_codes(_read_again(series, name), series.source))


def _read_again(examples: ExampleSet, name: str) -> Column:
    """A column of the file that was left out, in the order of all its rows."""
    path = _file_of_columns(examples)
    if path is None or examples.read_from is None:
        raise ConfigError(
            f"group-by is {name!r}, and {examples.source} has no such column; allowed: the name of a column, or in "
            "Python a value for each example"
        )
    notation = {key: examples.read_from["options"][key] for key in _NOTATION}
    return open_table(path, TableOptions(only=(name,), **notation)).column(name)


def _file_of_columns(examples: ExampleSet) -> Path | None:
    """Where the examples were read from, if that has columns with names."""
    path = Path((examples.read_from or {"path": "."})["path"])
    return path if path.is_file() and path.suffix.lower() not in (".npy", ".npz") else None


def _codes(column: Column, source: str) -> Column:
    if column.missing.any():
        row = int(column.missing.argmax()) + 1
        raise DataError(
            f"{source}: {column.name!r}, which tells groups apart, is missing in row {row}; every row needs a group"
        )
    return _column(column.name, np.unique(column.values, return_inverse=True)[1])


def _column(name: str, codes: NDArray[Any]) -> Column:
    return Column(name, "category", codes.astype(np.int32), tuple(map(str, range(int(codes.max()) + 1))))
