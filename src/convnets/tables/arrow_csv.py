"""CSV files by Apache Arrow, many times faster than row by row: the same columns, or none where rows must be looked at.

Arrow takes what is written plainly. Everything else, and every fault, is left to the reader of rows, which can say
where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.core.memory import release_freed_memory
from convnets.errors import DataError
from convnets.tables.column_reading import ColumnReader, places_when_sorted
from convnets.tables.csv_file import CsvFile
from convnets.tables.room import fits_in_memory, room_for
from convnets.tables.table_set import Column
from convnets.tables.values import MISSING, Notation, beyond_reach, dates_of, numbers_of

__all__ = ["read_by_arrow"]

_BLOCK = 1 << 20  # bytes that are text at one time; of larger ones Arrow keeps many
_REFUSED = re.compile(r"In CSV column #(\d+): CSV conversion error to double")


def read_by_arrow(
    file: CsvFile, chosen: Sequence[int], asked: Mapping[str, str], notation: Notation
) -> list[Column] | None:
    """The columns at the places `chosen`; None without pyarrow, and where Arrow and the reader of rows may differ."""
    try:
        import pyarrow
    except ImportError:
        return None
    if (
        not file.encoding.startswith("utf-8")
        or not notation.plain
        or len(set(file.header)) < len(file.header)
    ):
        return None
    quotes, lines = _counts(file)
    if quotes % 2:  # Arrow would read on to the end of the file without a word
        return None
    try:
        texts = _texts_at_first(file, chosen, asked, notation)
    except DataError:  # the reader of rows tells where
        return None
    while True:
        try:
            return _read(file, lines, chosen, texts, asked, notation)
        except pyarrow.ArrowInvalid as error:
            refused = _REFUSED.search(str(error))
            if refused is None:  # rows of other lengths, text that is not UTF-8
                return None
            place = chosen[int(refused[1])]  # what began as numbers goes on as text
            if place in texts:
                return None
            texts.add(place)
        except (ValueError, OSError):
            return None


def _counts(file: CsvFile) -> tuple[int, int]:
    """Quotes, and lines, of which there are at least as many as rows."""
    quotes = ends = returns = 0
    with file.path.open("rb") as opened:
        while block := opened.read(1 << 20):
            quotes += block.count(b'"')
            ends += block.count(b"\n")
            returns += block.count(b"\r")
    return quotes, max(ends, returns) + 1


def _texts_at_first(
    file: CsvFile, chosen: Sequence[int], asked: Mapping[str, str], notation: Notation
) -> set[int]:
    """Places of the columns that are no numbers, by their first rows."""
    _, rows = next(file.pieces())
    found = set()
    for place in chosen:
        reader = ColumnReader(file.names[place], notation, asked=asked.get(file.names[place]))
        reader.read([row[place] for row in rows], 0)
        if reader.kind != "number":
            found.add(place)
    return found


def _read(
    file: CsvFile,
    lines: int,
    chosen: Sequence[int],
    texts: set[int],
    asked: Mapping[str, str],
    notation: Notation,
) -> list[Column]:
    """Every column; text as the places of its different values, of which there are few as a rule.

    What there is room for beyond the rows is never written to, and so takes no memory.
    """
    import pyarrow
    from pyarrow import csv

    names = [file.header[place] for place in chosen]
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    options = csv.ConvertOptions(
        column_types={file.header[place]: text if place in texts else pyarrow.float64() for place in chosen},
        include_columns=names,
        null_values=sorted(MISSING),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    in_memory = fits_in_memory(lines * sum(4 if place in texts else 8 for place in chosen))
    whole = {
        place: room_for((lines,), np.int32 if place in texts else np.float64, in_memory=in_memory)
        for place in chosen
    }
    rows = 0
    known: dict[int, dict[str, int]] = {place: {} for place in texts}
    with csv.open_csv(
        file.path,
        read_options=csv.ReadOptions(block_size=_BLOCK),
        parse_options=csv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True),
        convert_options=options,
        memory_pool=pyarrow.system_memory_pool(),
    ) as batches:
        for batch in batches:
            for place, values in zip(chosen, batch.columns, strict=True):
                found = _codes(values, known[place]) if place in texts else _numbers(values)
                whole[place][rows : rows + len(found)] = found
            rows += batch.num_rows
    release_freed_memory()  # the text is of no more use
    columns = []
    for place in chosen:
        name, values = file.names[place], whole[place][:rows]
        if place in texts:
            columns.append(_of_texts(name, values, list(known[place]), asked.get(name), notation))
        else:
            columns.append(Column(name, "number", values))
    return columns


def _numbers(values: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    if beyond_reach(found).any():
        raise ValueError("infinite")  # the reader of rows tells where
    return found


def _codes(values: Any, known: dict[str, int]) -> NDArray[np.int32]:
    """int32 n: places in `known`, which grows; −1 where missing."""
    places = [known.setdefault(each, len(known)) for each in values.dictionary.to_pylist()]
    code = np.array([*places, -1], dtype=np.int32)
    found: NDArray[np.int32] = code[values.indices.fill_null(len(places)).to_numpy(zero_copy_only=False)]
    return found


def _of_texts(
    name: str, codes: NDArray[np.int32], texts: list[str], asked: str | None, notation: Notation
) -> Column:
    """Numbers or dates where every text is one, else categories. Raises ValueError for none that was asked for."""
    for kind, read in (("number", numbers_of), ("date", dates_of)):
        if asked not in (None, kind):
            continue
        try:
            values = read(texts, notation)
        except ValueError:
            if asked == kind:
                raise
            continue
        if beyond_reach(values).any():
            raise ValueError("infinite")
        return Column(name, kind, np.append(values, np.nan)[codes])
    return Column(name, "category", places_when_sorted(texts)[codes], tuple(sorted(texts)))
