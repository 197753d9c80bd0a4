"""Misfits: the one cell that is no number, in a column that else is, and so was read as one of categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convnets.tables.table_set import Column
from convnets.tables.values import Notation, dates_of, numbers_of

__all__ = ["misfit_of"]

_LOOKED_AT = 2000  # different values
_FEWEST = 10  # different numbers: fewer may well be names
_MOST_MISFITS = 0.1
_Reader = Callable[[Sequence[str], Notation], NDArray[np.float64]]


def misfit_of(column: Column, notation: Notation) -> str | None:
    """Why a column of categories is rather one of numbers or dates, and what to do; None where it is not.

    >>> texts = ["oops", *map(str, range(12))]
    >>> misfit_of(Column("a", "category", np.arange(13, dtype=np.int32), tuple(texts)), Notation())
    "column 'a', row 1: 'oops' is no number, as its other cells are; correct it, or say --numeric a or --categorical a"
    """
    if column.kind != "category" or len(column.categories) < _FEWEST:
        return None
    name = column.name
    for kind, read in (("number", numbers_of), ("date", dates_of)):
        if _mostly(column, read, notation):
            first = next((text for text in column.categories if not _is_one(text, read, notation)), None)
            if first is None:  # text of numbers in a DataFrame, which stays what it was made
                return None
            row = int((column.values == column.categories.index(first)).argmax()) + 1
            flag = "numeric" if kind == "number" else "dates"
            return (
                f"column {name!r}, row {row}: {first[:40]!r} is no {kind}, as its other cells are; correct it, or say "
                f"--{flag} {name} or --categorical {name}"
            )
    if _mostly(column, numbers_of, Notation(",")) or _mostly(column, numbers_of, Notation(".", ",")):
        return (
            f"column {name!r}: cells such as {column.categories[-1][:40]!r} look like numbers with commas; say how "
            f"they are written: --decimal , or --thousands , (or --categorical {name})"
        )
    return None


def _mostly(column: Column, read: _Reader, notation: Notation) -> bool:
    different = column.categories[:: max(1, len(column.categories) // _LOOKED_AT)]
    misfits = sum(not _is_one(text, read, notation) for text in different)
    return misfits <= _MOST_MISFITS * len(different)


def _is_one(text: str, read: _Reader, notation: Notation) -> bool:
    try:
        return bool(np.isfinite(read([text], notation)).all())
    except ValueError:
        return False
