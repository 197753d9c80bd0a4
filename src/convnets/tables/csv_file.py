"""CSV files: encoding, delimiter and header found out, rows in pieces, faults told with their line."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from convnets.errors import ConfigError, DataError

__all__ = ["CsvFile"]

_SAMPLE_BYTES = 64 << 10
_DELIMITERS = (",", ";", "\t", "|")
_PIECE = 1024  # rows that are text at one time: few enough for the cache
_LARGEST_CELL = 16 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class CsvFile:
    """A file whose first row names its columns."""

    path: Path
    encoding: str
    delimiter: str
    names: tuple[str, ...]
    header: tuple[str, ...]
    """The names as they are written."""

    @classmethod
    def open(cls, path: Path, encoding: str | None = None, delimiter: str | None = None) -> CsvFile:
        """Find out what is not given. Raises DataError for a file that is no table."""
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "does not exist"
            raise DataError(f"{path} {found}; give a CSV or Parquet file")
        if delimiter is not None and len(delimiter) != 1:
            raise ConfigError(f"delimiter is {delimiter!r}; allowed: one character, such as ;")
        with path.open("rb") as file:
            start = file.read(_SAMPLE_BYTES)
        if not start.strip():
            raise DataError(
                f"{path} is empty; a table has a row of column names and a row of values at least"
            )
        encoding = encoding or _encoding_of(path, start)
        try:
            sample = start.decode(encoding, "ignore")
        except LookupError:
            raise ConfigError(
                f"encoding is {encoding!r}; allowed: one that Python knows, such as cp1252"
            ) from None
        if "\0" in sample:
            raise DataError(
                f"{path} holds bytes that are no text; give a CSV or Parquet file, or its encoding="
            )
        delimiter = delimiter or _delimiter_of(sample)
        csv.field_size_limit(_LARGEST_CELL)
        header = next(_rows_of(sample, delimiter), [])
        names = tuple(name.strip() or f"column {place}" for place, name in enumerate(header, 1))
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{path} names the column {twice[0]!r} twice; give each column a name of its own")
        return cls(path, encoding, delimiter, names, tuple(header))

    def pieces(self) -> Iterator[tuple[int, list[list[str]]]]:
        """The rows in pieces, each with the number of rows before it. Raises DataError for a row of another length."""
        width, before = len(self.names), 0
        try:
            with self.path.open(newline="", encoding=self.encoding) as file:
                reader = csv.reader(file, delimiter=self.delimiter, strict=True)
                next(row for row in reader if row)
                while rows := [row for row in islice(reader, _PIECE) if row]:
                    if any(len(row) != width for row in rows):
                        raise DataError(self._ragged(rows, before, reader.line_num))
                    yield before, rows
                    before += len(rows)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is not {self.encoding} (byte {error.start}); give encoding=, such as cp1252"
            ) from None
        except csv.Error as error:
            raise DataError(
                f"{self.path}, line {reader.line_num}: {error}; write the file as CSV again"
            ) from None
        if before == 0:
            raise DataError(f"{self.path} has a row of column names and no other; at least one row is needed")

    def _ragged(self, rows: list[list[str]], before: int, _line: int) -> str:
        place, row = next((i, row) for i, row in enumerate(rows) if len(row) != len(self.names))
        return (
            f"{self.path}, row {before + place + 1}: {len(row)} cells where the header names {len(self.names)}; "
            f"quote cells that hold {self.delimiter!r}, or give delimiter="
        )


def _encoding_of(path: Path, start: bytes) -> str:
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _rows_of(sample: str, delimiter: str) -> Iterator[list[str]]:
    """Those that are not blank; lines end as in files, also by a carriage return alone."""
    return (row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row)


def _delimiter_of(sample: str) -> str:
    """The delimiter that cuts the first rows into as many cells each; the one with most cells, the comma of equals."""

    def cells(delimiter: str) -> int:
        try:
            rows = list(islice(_rows_of(sample, delimiter), 21))
        except csv.Error:
            return 0
        rows = rows[:-1] if len(rows) > 2 else rows  # the last one may be cut off
        widths = {len(row) for row in rows}
        return widths.pop() if len(widths) == 1 else 0

    best = max(_DELIMITERS, key=cells)
    if cells(best) > 1:
        return best
    head = sample.splitlines()[0] if sample.splitlines() else ""
    return max(_DELIMITERS, key=head.count)  # rows of different lengths are told as such, by their line
