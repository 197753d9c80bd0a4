"""TableSet: rows of named columns, with what is to be predicted kept apart. N rows.

A table's counterpart of an ImageSet: it knows its length, its subsets, and the hash of its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import DataError

__all__ = ["KINDS", "Column", "TableSet"]

KINDS = ("number", "category", "date")


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its name, what it holds, and the values."""

    name: str
    kind: str
    """number, category or date."""
    whole: NDArray[Any]
    """What was read; of all rows, also where only some are meant."""
    categories: tuple[str, ...] = ()
    """Of a category: the names, sorted; the value is the place."""
    rows: NDArray[np.int64] | None = None
    """Places of the rows that are meant; None for all. Columns of a subset share them, and copy no values."""

    def __len__(self) -> int:
        return len(self.whole if self.rows is None else self.rows)

    @property
    def values(self) -> NDArray[Any]:
        """Numbers float64 N, NaN where missing; dates too, in days since 1970; categories int32 N, −1 where missing."""
        found: NDArray[Any] = self.whole if self.rows is None else self.whole[self.rows]
        return found

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where there is no value."""
        found: NDArray[np.bool_] = self.values < 0 if self.kind == "category" else np.isnan(self.values)
        return found

    def texts(self) -> list[str | None]:
        """The values as text; None where missing."""
        if self.kind == "category":
            return [None if code < 0 else self.categories[code] for code in self.values.tolist()]
        return [None if value != value else f"{value:g}" for value in self.values.tolist()]

    def describe(self) -> str:
        """The range of numbers and dates, or the first categories, in a few words."""
        if self.kind == "category":
            shown = ", ".join(name if len(name) <= 12 else name[:11] + "…" for name in self.categories[:3])
            more = f", … {len(self.categories):,} in all" if len(self.categories) > 3 else ""
            return shown + more
        values = self.values
        known = values[~np.isnan(values)]
        if not len(known):
            return "no values"
        if self.kind == "date":
            low, high = (np.datetime64(int(value), "D") for value in (known.min(), known.max()))
            return f"{low} to {high}"
        return f"{known.min():.6g} to {known.max():.6g}"


@dataclass(frozen=True, eq=False)
class TableSet:
    """Columns to predict from, and the one (or several) to predict.

    >>> age = Column("age", "number", np.array([3.0, np.nan]))
    >>> TableSet((age,), (), "an example").names
    ('age',)
    """

    columns: tuple[Column, ...]
    targets: tuple[Column, ...]
    """Empty for rows that are to be predicted."""
    source: str
    """Where the table came from, for people."""
    notes: tuple[str, ...] = ()
    """What was decided when it was read, for people."""
    read_from: Mapping[str, Any] | None = None
    """Path and options that read the very same table again; None for what was in memory, and for subsets."""
    groups: Column | None = None
    """Which rows belong together, such as those of one patient: a split takes them as a whole; None: each by itself."""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (*self.columns, *self.targets)}
        if len(lengths) > 1:
            raise DataError(
                f"{self.source}: columns have {sorted(lengths)} rows; each needs as many as the others"
            )
        if not self.columns or lengths == {0}:
            what = "rows" if self.columns else "columns to predict from"
            raise DataError(f"{self.source}: no {what}; at least one is needed")

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def noun(self) -> str:
        """What an example is called."""
        return "row"

    @property
    def nouns(self) -> str:
        """What several are called."""
        return "rows"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns to predict from."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name, a target too. Raises DataError where there is none."""
        for each in (*self.columns, *self.targets):
            if each.name == name:
                return each
        raise DataError(f"{self.source} has no column {name!r}; it has: {', '.join(self.names)[:200]}")

    def subset(self, rows: Sequence[int] | NDArray[Any]) -> TableSet:
        """The rows at these places, in that order, or those of a mask."""
        chosen = np.asarray(rows)
        chosen = chosen if chosen.dtype == bool else chosen.astype(np.int64)
        before = self.columns[0].rows
        places = np.arange(len(self))[chosen] if before is None else before[chosen]
        return replace(
            self,
            columns=tuple(replace(column, rows=places) for column in self.columns),
            targets=tuple(replace(column, rows=places) for column in self.targets),
            read_from=None,
            groups=None if self.groups is None else replace(self.groups, rows=places),
        )

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names, kinds and values: equal tables have equal hashes."""
        digest = hashlib.sha256()
        for column in (*self.columns, *self.targets):
            about = "\0".join((column.name, column.kind, *column.categories))
            digest.update(about.encode("utf-8", "surrogateescape"))
            digest.update(np.ascontiguousarray(column.values).data)
        return digest.hexdigest()

    def __str__(self) -> str:
        rows = [
            (
                column.name if place < len(self.columns) else f"{column.name} (target)",
                column.kind,
                f"{int(column.missing.sum()):,}",
                column.describe(),
            )
            for place, column in enumerate((*self.columns, *self.targets))
        ]
        head = f"{self.source}: {len(self):,} rows, {len(self.columns)} columns to predict from"
        return "\n".join(
            (head, aligned(("column", "kind", "missing", "values"), rows, right=(2,)), *self.notes)
        )

    __repr__ = __str__
