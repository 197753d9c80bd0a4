"""What the text of a cell means: missing, a number, a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "Notation", "beyond_reach", "dates_of", "numbers_of"]

# pandas' own list, so that both read a file alike
MISSING = frozenset(
    [
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
        "",
    ]
)
_NAN = float("nan")
_LARGEST = 1e100  # whose square a float64 holds, as a spread needs it
_EPOCH = date(1970, 1, 1).toordinal()


class Notation:
    """How numbers and dates are written."""

    def __init__(self, decimal: str = ".", thousands: str = "", date_format: str | None = None) -> None:
        self.decimal, self.thousands, self.date_format = decimal, thousands, date_format
        self.plain = decimal == "." and not thousands

    def to_plain(self, text: str) -> str:
        """The number as Python writes it."""
        if self.thousands:
            text = text.replace(self.thousands, "")
        return text if self.decimal == "." else text.replace(self.decimal, ".")


def numbers_of(cells: Sequence[str], notation: Notation) -> NDArray[np.float64]:
    """float64 N, NaN where missing. Raises ValueError where a cell is no number.

    >>> numbers_of(["1,5", "NA"], Notation(decimal=","))
    array([1.5, nan])
    """
    if "_" in "".join(cells):  # which Python reads over
        raise ValueError
    if notation.plain:
        try:
            return np.array(list(map(float, cells)))
        except ValueError:
            return np.array([_NAN if cell in MISSING else float(cell) for cell in cells])
    read = notation.to_plain
    return np.array([_NAN if cell.strip() in MISSING else float(read(cell)) for cell in cells])


def beyond_reach(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers are infinite, or so large that they have no spread.

    >>> beyond_reach(np.array([1e300, -np.inf, np.nan, 2.0])).tolist()
    [True, True, False, False]
    """
    # no narrower float reaches so far
    found: NDArray[np.bool_] = np.abs(values) > _LARGEST if values.dtype == np.float64 else np.isinf(values)
    return found


def dates_of(cells: Sequence[str], notation: Notation) -> NDArray[np.float64]:
    """Days since 1970, with the time of day as a fraction, NaN where missing. Raises ValueError for what is no date.

    >>> dates_of(["1970-01-02", "1970-01-02 12:00", ""], Notation())
    array([1. , 1.5, nan])
    """
    return np.array([_NAN if cell.strip() in MISSING else _days(cell.strip(), notation) for cell in cells])


def _days(cell: str, notation: Notation) -> float:
    if notation.date_format is not None:
        moment = datetime.strptime(cell, notation.date_format)
    elif len(cell) < 10 or cell[4] != "-":  # as ISO 8601 has it; 20240131 is rather a number
        raise ValueError(cell)
    else:
        moment = datetime.fromisoformat(cell)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
    return moment.toordinal() - _EPOCH + seconds / 86_400
