"""Row bodies: the rows of a request by column, in whichever form they were sent.

- `application/json`: `{"rows": [{"age": 3, "sex": "f"}, …]}`
- `text/csv`: a file whose first row names the columns
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal
from convnets.tables.values import Notation, numbers_of

__all__ = ["FORMS", "ROWS_TO_A_PLACE", "SentCells", "cells_of", "check_count", "json_of"]

FORMS = ("application/json", "text/csv")
ROWS_TO_A_PLACE = 64
"""Rows of a table that take one picture's place in the queue."""
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class SentCells:
    """Cells of the columns that a model looks at, N of each."""

    columns: dict[str, list[Any]]
    count: int
    """N."""
    notation: Notation | None
    """How the texts of a file are written; None for JSON's values."""


def cells_of(
    kind: str, body: bytes, names: Sequence[str], notation: Mapping[str, Any], limits: Limits
) -> SentCells:
    """The columns called `names` of a body of that content type; takes a while, so call it in a thread.

    Columns are found by name in any order, and others are passed over. Raises Refusal 413, 415 or 422.
    """
    if kind == "application/json":
        return _of_json(body, names, limits)
    if kind == "text/csv":
        return _of_csv(body, names, notation, limits)
    raise Refusal(415, f"content type {kind[:60]!r}; allowed: {', '.join(FORMS)}")


def check_count(count: int, limits: Limits, nouns: str = "rows", to_a_place: int = ROWS_TO_A_PLACE) -> int:
    """The count. Raises Refusal 422 for none and 413 for too many."""
    most = limits.pictures * to_a_place
    if count < 1:
        raise Refusal(422, f"the request has no {nouns}; send one or more")
    if count > most:
        raise Refusal(413, f"{count:,} {nouns} in one request; allowed: {most:,}")
    return count


def json_of(body: bytes, remedy: str) -> Any:
    """The JSON of a body. Raises Refusal 422 for none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"the body is no JSON ({str(error)[:80]}); {remedy}") from None


def _of_json(body: bytes, names: Sequence[str], limits: Limits) -> SentCells:
    remedy = 'send {"rows": [{"COLUMN": value, …}, …]}'
    given = json_of(body, remedy)
    rows = given.get("rows") if isinstance(given, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refusal(422, f"the body has no list of objects named rows; {remedy}")
    count = check_count(len(rows), limits)
    for place, row in enumerate(rows, 1):
        lacking = [name for name in names if name not in row]
        if lacking:
            raise Refusal(422, f"row {place} lacks {_listed(lacking)}; send null where a value is missing")
    return SentCells({name: [row[name] for row in rows] for name in names}, count, None)


def _of_csv(body: bytes, names: Sequence[str], notation: Mapping[str, Any], limits: Limits) -> SentCells:
    encoding = str(notation.get("encoding") or "utf-8-sig")
    try:
        text = body.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise Refusal(422, f"the body is not {encoding.removesuffix('-sig')}; send it so") from None
    delimiter = notation.get("delimiter") or _delimiter(text, names)
    most = limits.pictures * ROWS_TO_A_PLACE
    try:
        rows = list(
            islice(filter(None, csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)), most + 2)
        )
    except csv.Error as error:
        raise Refusal(422, f"the body is no CSV file ({str(error)[:80]})") from None
    header = [name.strip() for name in rows[0]] if rows else []
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise Refusal(422, f"the first row names the column {twice[0]!r} twice; give each a name of its own")
    lacking = [name for name in names if name not in header]
    if lacking:
        shown = ", ".join(header)[:100] or "nothing"
        raise Refusal(422, f"the first row lacks {_listed(lacking)}; it names: {shown}")
    count = check_count(len(rows) - 1, limits)
    for place, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            line = f"row {place} has {len(row)} cells where the first row names {len(header)}"
            raise Refusal(422, f"{line}; quote cells that hold {delimiter!r}")
    at = {name: header.index(name) for name in names}
    columns = {name: [row[place] for row in rows[1:]] for name, place in at.items()}
    decimal = notation.get("decimal") or ("," if delimiter != "," and _writes_commas(columns) else ".")
    return SentCells(
        columns, count, Notation(decimal, notation.get("thousands") or "", notation.get("date_format"))
    )


def _delimiter(text: str, names: Sequence[str]) -> str:
    """The one that finds most of the columns in the first line."""
    first = text.split("\n", 1)[0]

    def found(delimiter: str) -> int:
        try:
            cells = {cell.strip() for row in csv.reader([first], delimiter=delimiter) for cell in row}
        except csv.Error:
            return 0
        return len(cells & set(names))

    return max(_DELIMITERS, key=found)


def _writes_commas(columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether some column holds numbers only if the comma is the decimal point."""

    for cells in columns.values():
        if any("," in cell for cell in cells):
            with contextlib.suppress(ValueError):
                numbers_of(cells, Notation(","))
                return True
    return False


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the column{'s' * (len(names) > 1)} {', '.join(map(repr, names[:5]))}{more}"
