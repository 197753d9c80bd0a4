"""Cells: what a request says of a column, made into the column that an encoder takes. Rows count from 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.serving.http.refusal import Refusal
from convnets.tables.column_encoders import Categories, ColumnEncoder
from convnets.tables.table_set import Column
from convnets.tables.values import MISSING, Notation, dates_of, numbers_of

__all__ = ["Cell", "column_of", "numbers_from", "take_new_categories"]

Cell = str | float | int | bool | None
_SHOWN = 8
_PLAIN = Notation()


def take_new_categories(given: str) -> bool:
    """Whether categories that were never learned are answered as such. Raises Refusal 422 for another word.

    >>> take_new_categories("other")
    True
    """
    if given not in ("refuse", "other"):
        raise Refusal(422, f"new_categories is {given[:40]!r}; allowed: refuse, other")
    return given == "other"


def column_of(
    encoder: ColumnEncoder, cells: Sequence[Cell], *, new: bool, notation: Notation | None = None
) -> Column:
    """The column that `encoder` takes, of JSON's values, or of a file's texts where there is a `notation`.

    new: whether categories that were never learned pass.

    Raises Refusal 422 that names row and column for a cell of another kind, an infinite number, a new category.
    """
    if isinstance(encoder, Categories):
        return _category(encoder, cells, new=new)
    if encoder.kind == "date":
        return Column(encoder.name, "date", _dates(encoder.name, cells, notation or _PLAIN))
    return Column(encoder.name, "number", numbers_from(encoder.name, cells, notation))


def numbers_from(name: str, cells: Sequence[Any], notation: Notation | None = None) -> NDArray[np.float64]:
    """float64 N, NaN where missing. Raises Refusal 422 for the first cell that is no finite number.

    >>> numbers_from("age", [3, None])
    array([ 3., nan])
    """
    if notation is None:
        found = np.array([_number(name, row, cell) for row, cell in enumerate(cells, 1)], dtype=np.float64)
    else:
        try:
            found = numbers_of(cells, notation)
        except ValueError:
            raise _misfit(name, cells, "number", notation) from None
    if np.isinf(found).any():
        row = int(np.isinf(found).argmax()) + 1
        raise Refusal(422, f"{_where(name, row)}: {_shown(cells[row - 1])}; allowed: finite numbers")
    return found


def _number(name: str, row: int, cell: Cell) -> float:
    if cell is None:
        return float("nan")
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        remedy = "send a number, or null where it is missing"
        raise Refusal(422, f"{_where(name, row)}: {_shown(cell)} where a number is meant; {remedy}")
    try:
        return float(cell)
    except OverflowError:
        return float("inf")


def _dates(name: str, cells: Sequence[Cell], notation: Notation) -> NDArray[np.float64]:
    for row, cell in enumerate(cells, 1):
        if cell is not None and not isinstance(cell, str):
            raise Refusal(
                422, f"{_where(name, row)}: {_shown(cell)} where a date is meant; send it as 2024-01-31"
            )
    texts = ["" if cell is None else str(cell) for cell in cells]
    try:
        return dates_of(texts, notation)
    except ValueError:
        raise _misfit(name, texts, "date", notation) from None


def _misfit(name: str, cells: Sequence[Any], kind: str, notation: Notation) -> Refusal:
    read = numbers_of if kind == "number" else dates_of
    for row, cell in enumerate(cells, 1):
        try:
            read([cell], notation)
        except ValueError:
            how = "2024-01-31" if notation.date_format is None else notation.date_format
            remedy = "leave it empty where it is missing" if kind == "number" else f"send it as {how}"
            return Refusal(422, f"{_where(name, row)}: {_shown(cell)} where a {kind} is meant; {remedy}")
    raise AssertionError(name)


def _category(encoder: Categories, cells: Sequence[Cell], *, new: bool) -> Column:
    names = encoder.categories
    places = {name: place for place, name in enumerate(names)}
    codes = np.empty(len(cells), dtype=np.int32)
    for row, cell in enumerate(cells, 1):
        name = _name(encoder.name, row, cell)
        code = -1 if name in MISSING else places.get(name, len(names))
        if code == len(names) and not new:
            known = ", ".join(map(repr, names[:_SHOWN])) + (", …" if len(names) > _SHOWN else "")
            line = (
                f"{_where(encoder.name, row)}: {_shown(name)} is no category that was learned; known: {known}"
            )
            raise Refusal(422, f"{line}; ?new_categories=other answers it as an unknown one")
        codes[row - 1] = code
    return Column(encoder.name, "category", codes, (*names, "\0"))  # the last for all that are new


def _name(column: str, row: int, cell: Cell) -> str:
    """A category as a file would write it."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, str | int | float):
        return str(cell)
    raise Refusal(422, f"{_where(column, row)}: {_shown(cell)} where a category is meant; send a text")


def _where(name: str, row: int) -> str:
    return f"row {row}, column {name[:60]!r}"


def _shown(cell: Any) -> str:
    return repr(cell)[:40]
