"""Arrow's reading of a CSV file against the reader of rows: the same columns, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.errors import DataError
from convnets.tables import load_table as reading
from convnets.tables.arrow_csv import read_by_arrow
from convnets.tables.csv_file import CsvFile
from convnets.tables.load_table import load_table
from convnets.tables.values import Notation

CELLS = st.sampled_from(
    [
        "1",
        "-2.5",
        "1e5",
        "+.5",
        " 7 ",
        "",
        "NA",
        "nan",
        "a",
        "b c",
        "2024-01-31",
        "2024-02-01 12:00",
        "0x1F",
        "1_0",
        "é",
    ]
)


def content(path: Path, *, arrow: bool) -> str:
    """The hash of the columns, or the error."""
    with pytest.MonkeyPatch.context() as patch:
        if not arrow:
            patch.setattr(reading, "read_by_arrow", lambda *_: None)
        try:
            return load_table(path).content_hash()
        except DataError as error:
            return str(error)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), tail=CELLS)
def test_both_ways_give_the_same_columns(
    rows: list[tuple[str, ...]], tail: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    lines = [*(",".join(row) for row in rows * 700), f"{tail},1,1"]  # longer than what kinds are guessed from
    path.write_text("a,b,c\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert content(path, arrow=True) == content(path, arrow=False)


def columns(path: Path, asked: dict[str, str] | None = None, notation: Notation | None = None) -> object:
    file = CsvFile.open(path)
    return read_by_arrow(file, range(len(file.names)), asked or {}, notation or Notation())


def test_numbers_are_read_to_the_last_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3000, 2)) * 10.0 ** np.arange(-3, 3)[:2]
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in values.tolist()))
    found = columns(path)
    assert isinstance(found, list)
    assert np.array_equal(np.stack([each.values for each in found], 1), values)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n1\n",  # a short row
        "a,b\n1,2\n1,2,3\n",
        'a,b\n1,"2\n',  # an open quote
        "a,b\n1,inf\n",
        "é,b\n1,1e999\n",
    ],
)
def test_what_must_be_looked_at_is_left_to_the_reader_of_rows(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert columns(path) is None


def test_what_arrow_does_not_read_is_left_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1,5;2\n")
    assert columns(path, notation=Notation(",")) is None
    path.write_text("a,b\n1,x\n")
    assert columns(path, {"b": "number"}) is None
    path.write_text("a,b\n1,2\n", "utf-16")
    assert columns(path) is None
