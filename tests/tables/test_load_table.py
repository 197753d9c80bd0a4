"""Tables from files and from memory against pandas, and each file that is no table refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convnets.errors import ConfigError, ConvnetsError, DataError
from convnets.tables.load_table import load_table
from convnets.tables.values import MISSING

HOUSES = """Id,Area,Street,Built,SalePrice
1,100,Pave,2001-05-01,200000
2,,Grvl,2003-01-31,150000
3,120.5,NA,,175000
4,80,Pave,1999-12-24,90000
"""


@pytest.fixture(params=["by Arrow", "row by row"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of files holds with pyarrow and without."""
    if request.param == "row by row":
        monkeypatch.setattr("convnets.tables.load_table.read_by_arrow", lambda *_: None)
    return str(request.param)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding=encoding, newline="")
    return path


def test_types_are_found_out_and_shown(tmp_path: Path) -> None:
    table = load_table(written(tmp_path, HOUSES), "SalePrice")
    kinds = {column.name: column.kind for column in (*table.columns, *table.targets)}
    assert kinds == {
        "Id": "number", "Area": "number", "Street": "category", "Built": "date", "SalePrice": "number"
    }  # fmt: skip
    assert [int(column.missing.sum()) for column in table.columns] == [0, 1, 1, 1]
    assert table.column("Street").texts() == ["Pave", "Grvl", None, "Pave"]
    shown = str(table)
    assert "SalePrice (target)  number" in shown
    assert "1999-12-24 to 2003-01-31" in shown


def test_types_can_be_said_otherwise(tmp_path: Path) -> None:
    path = written(tmp_path, HOUSES)
    table = load_table(path, "SalePrice", categorical=["Area", "Built"], drop=["Id"])
    assert table.names == ("Area", "Street", "Built")
    assert table.column("Area").categories == ("100", "120.5", "80")
    with pytest.raises(DataError, match="column 'Street', row 1: 'Pave' where a number is meant") as caught:
        load_table(path, numeric=["Street"])
    assert "\n" not in str(caught.value)


def test_numbers_and_gaps_are_those_of_pandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [str(value) for value in rng.normal(size=30)] + sorted(MISSING) + ["1e5", "-3", " 7 ", "+.5"]
    text = "x,y\n" + "".join(f"{cell},{place % 3}\n" for place, cell in enumerate(cells))
    path = written(tmp_path, text)
    ours, theirs = load_table(path), pd.read_csv(path)
    assert np.array_equal(ours.column("x").values, theirs["x"].to_numpy(), equal_nan=True)
    assert np.array_equal(ours.column("y").values, theirs["y"].to_numpy())


def test_a_table_is_the_same_from_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, HOUSES)
    frame = pd.read_csv(path, parse_dates=["Built"])
    frame.to_parquet(tmp_path / "table.parquet")
    whole = load_table(path, "SalePrice").content_hash()
    assert load_table(frame, "SalePrice").content_hash() == whole
    assert load_table(tmp_path / "table.parquet", "SalePrice").content_hash() == whole
    numbers = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    table = load_table(numbers, "x3", categorical=["x1"])
    assert table.column("x1").texts() == ["1", "4"]
    assert np.array_equal(table.column("x2").values, numbers[:, 1], equal_nan=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["Größe", "Ort"], ["1.5", f'"Köln{delimiter} Süd"'], ["2", '"zwei\nZeilen ""x"""'], ["3", "Ulm"]]
    path = written(tmp_path, "\r\n".join(delimiter.join(row) for row in rows) + "\r\n", encoding)
    table = load_table(path)
    assert table.names == ("Größe", "Ort")
    assert table.column("Ort").texts() == [f"Köln{delimiter} Süd", 'zwei\nZeilen "x"', "Ulm"]
    assert any("cp1252" in note for note in table.notes) == (encoding == "cp1252")


def test_decimal_comma_thousands_and_dates(tmp_path: Path) -> None:
    path = written(tmp_path, "Preis;Tag\n1.234,5;31.01.2024\n-0,25;01.02.2024\n;\n")
    table = load_table(path, decimal=",", thousands=".", dates=["Tag"], date_format="%d.%m.%Y")
    assert np.array_equal(table.column("Preis").values, [1234.5, -0.25, np.nan], equal_nan=True)
    days = (pd.to_datetime(["2024-01-31", "2024-02-01"]) - pd.Timestamp(0)).days
    assert table.column("Tag").values[:2].tolist() == days.tolist()
    found = load_table(written(tmp_path, "a;b\n1,5;x\n2;y\n"))
    assert found.column("a").values.tolist() == [1.5, 2.0]
    assert "decimal comma" in found.notes[0]


def test_what_turns_out_to_be_text_late_is_text_from_the_start(tmp_path: Path) -> None:
    rows = [f"{place:05d},{place % 7}" for place in range(9000)] + ["none of them,1"]
    table = load_table(written(tmp_path, "code,y\n" + "\n".join(rows)), categorical=["code"])
    assert (
        load_table(written(tmp_path, "code,y\n" + "\n".join(rows * 2))).column("code").texts()[1] == "00001"
    )
    assert table.column("code").texts()[-1] == "none of them"


def test_columns_that_name_the_rows_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [f"{place + 1},name{place},{place % 4},{place % 2}" for place in range(60)]
    path = written(tmp_path, "Id,Name,a,y\n" + "\n".join(rows))
    table = load_table(path, "y")
    assert table.names == ("a",)
    assert table.notes[0] == "column 'Id' counts the rows: left out; --numeric Id keeps it"
    assert load_table(path, "y", numeric=["Id"], categorical=["Name"]).names == ("Id", "Name", "a")


def test_subsets_and_hashes() -> None:
    table = load_table(np.arange(12.0).reshape(6, 2) ** 2, "x2")
    part = table.subset([4, 1])
    assert part.column("x1").values.tolist() == [64.0, 4.0]
    assert part.content_hash() == table.subset(np.array([4, 1])).content_hash() != table.content_hash()
    assert len(table.subset(table.column("x2").values > 30)) == 3


BAD_FILES: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty; a table has a row of column names"),
    "blank": ("\n\n", "is empty"),
    "header alone": ("a,y\n", "and no other; at least one row is needed"),
    "one column": ("y\n1\n2\n", "no column to predict from beside the target"),
    "ragged": ("a,b,y\n1,2,3\n1,2\n", "row 2: 2 cells where the header names 3; quote cells that hold ','"),
    "longer": ("a,y\n1,2\n1,2,3\n", "row 2: 3 cells where the header names 2"),
    "no target": ("a,b\n1,2\n", "has no column 'y'; it has: a, b"),
    "twice": ("a,a,y\n1,2,3\n", "names the column 'a' twice"),
    "infinite": (
        "a,y\n1,2\ninf,3\n",
        r"column 'a', row 2: inf; allowed: finite numbers to 1e100; .*--drop a",
    ),
    "open quote": ('a,y\n1,"2\n', "line 2: unexpected end of data; write the file as CSV again"),
}


@pytest.mark.parametrize("case", BAD_FILES, ids=list(BAD_FILES))
def test_files_that_are_no_table_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    text, message = BAD_FILES[case]
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        load_table(path, "y")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_calls_are_refused_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, HOUSES)
    calls = {
        "does not exist": lambda: load_table(tmp_path / "none.csv"),
        "is a folder": lambda: load_table(tmp_path),
        "given twice": lambda: load_table(path, numeric=["Area"], drop=["Area"]),
        "is the target and is dropped": lambda: load_table(path, "Area", drop=["Area"]),
        "decimal is ';'": lambda: load_table(path, decimal=";"),
        "encoding is 'utf-99'": lambda: load_table(path, encoding="utf-99"),
        "is not ascii": lambda: load_table(written(tmp_path, "ä,y\n1,2\n"), encoding="ascii"),
        "delimiter is ';;'": lambda: load_table(path, delimiter=";;"),
        "table is list; allowed": lambda: load_table([1, 2]),
        "array is 3 of float64": lambda: load_table(np.zeros(3)),
        "row 1: inf": lambda: load_table(np.full((2, 2), np.inf)),
        "is no Parquet file": lambda: load_table(path.rename(tmp_path / "x.parquet")),
    }
    for message, call in calls.items():
        with pytest.raises(ConvnetsError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError):
        load_table(np.zeros((2, 2)), decimal="x")


def test_csv_and_arrays_need_no_pandas(tmp_path: Path) -> None:
    path = written(tmp_path, HOUSES)
    code = f"""
import sys
sys.modules["pandas"] = sys.modules["pyarrow"] = None
from convnets.errors import UsageError
from convnets.tables.load_table import load_table
assert len(load_table({str(path)!r}, "SalePrice")) == 4
open({str(tmp_path / "x.parquet")!r}, "w").write("x")
try:
    load_table({str(tmp_path / "x.parquet")!r})
except UsageError as error:
    assert "pip install 'convnets[tables]'" in str(error)
else:
    raise SystemExit(1)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
