"""Columns made of text, piece by piece: the narrowest kind that holds every cell, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.errors import DataError
from convnets.tables.table_set import Column
from convnets.tables.values import MISSING, Notation, beyond_reach, dates_of, numbers_of

__all__ = ["ColumnReader", "Wider", "places_when_sorted"]

_NARROWEST_FIRST = ("number", "date", "category")


class Wider(Exception):  # noqa: N818  no error: the file is read again
    """Columns turned out to hold more than they seemed to."""

    def __init__(self, kinds: dict[str, str]) -> None:
        super().__init__()
        self.kinds = kinds


class ColumnReader:
    """One column while it is read. `asked` is a kind that it has to have, `least` one that it is known not to be below.

    >>> reader = ColumnReader("size", Notation())
    >>> reader.read(["1", "2.5"], 0)
    >>> reader.column().values
    array([1. , 2.5])
    """

    def __init__(
        self, name: str, notation: Notation, *, asked: str | None = None, least: str = "number"
    ) -> None:
        self.name, self.notation, self.asked = name, notation, asked
        self.kind = asked or least
        self._numbers: list[NDArray[np.float64]] = []
        self._codes: list[NDArray[np.int32]] = []
        self._known: dict[str, int] = dict.fromkeys(MISSING, -1)
        self._empty = True

    def read(self, cells: Sequence[str], before: int) -> None:
        """Take the next cells, which follow `before` rows. Raises Wider where earlier ones were read as too narrow.

        Raises DataError where the kind was asked for and a cell is not of it, and for infinite numbers.
        """
        while self.kind != "category":
            try:
                found = (numbers_of if self.kind == "number" else dates_of)(cells, self.notation)
            except ValueError:
                self._widen(cells, before)
                continue
            if (far := beyond_reach(found)).any():
                place = int(far.argmax())
                raise DataError(
                    f"column {self.name!r}, row {before + place + 1}: {cells[place]}; allowed: finite numbers to "
                    f"1e100; leave the cell empty, or the column out (--drop {self.name})"
                )
            self._empty = self._empty and bool(np.isnan(found).all())
            self._numbers.append(found)
            return
        known, missing = self._known, len(MISSING)
        self._codes.append(
            np.array([known.setdefault(cell, len(known) - missing) for cell in cells], dtype=np.int32)
        )

    def _widen(self, cells: Sequence[str], before: int) -> None:
        if self.asked is not None:
            place, cell = self._first_misfit(cells)
            raise DataError(
                f"column {self.name!r}, row {before + place + 1}: {cell[:40]!r} where a {self.asked} is meant; "
                f"correct the cell, or read the column as a category (--categorical {self.name})"
            )
        wider = _NARROWEST_FIRST[_NARROWEST_FIRST.index(self.kind) + 1]
        if self._numbers:
            raise Wider({self.name: wider})
        self.kind = wider

    def _first_misfit(self, cells: Sequence[str]) -> tuple[int, str]:
        read = numbers_of if self.kind == "number" else dates_of
        for place, cell in enumerate(cells):
            try:
                read([cell], self.notation)
            except ValueError:
                return place, cell
        raise AssertionError(self.name)

    def column(self) -> Column:
        """The whole column; categories are sorted, so that the order of the rows changes no code."""
        if self.kind != "category":
            return Column(self.name, self.kind, _joined(self._numbers))
        names = [name for name, code in self._known.items() if code >= 0]
        codes = places_when_sorted(names)[_joined(self._codes)]
        return Column(self.name, "category", codes, tuple(sorted(names)))


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """One array; the pieces are let go, so that no column is there twice for longer than needed."""
    found = np.concatenate(pieces)
    pieces.clear()
    return found


def places_when_sorted(names: Sequence[str]) -> NDArray[np.int32]:
    """int32: of each code its place among the sorted names; the last entry keeps −1, what is missing, as it is."""
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names) + 1, dtype=np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    place[-1] = -1
    return place
