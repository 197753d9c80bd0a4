"""Bad tables and series on the command line: one line with value, what is allowed and remedy, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

from convnets.series.load_series import load_series
from convnets.tables.load_table import load_table
from convnets.training.config import TrainConfig
from convnets.training.train import train

Refused = Callable[..., str]
ROWS = 40


def rows(
    *, a: Callable[[int], object] = lambda i: i * i, y: Callable[[int], object] = lambda i: i, c: str = ","
) -> str:
    """A file of 40 rows, with a cell or all of them as the case wants them."""
    return f"a{c}y\n" + "".join(f"{a(i)}{c}{y(i)}\n" for i in range(ROWS))


def where(row: int, value: object, other: Callable[[int], object] = lambda i: i) -> Callable[[int], object]:
    return lambda i: value if i == row - 1 else other(i)


# a table: text or bytes of the file, (exit status, further arguments, what the line says)
TABLES: dict[str, tuple[str | bytes, int, str, list[str]]] = {
    "empty file": ("", 1, "--target y", ["t.csv is empty", "a row of column names"]),
    "one column": ("y\n1\n2\n", 1, "--target y", ["no column to predict from", "two columns or more"]),
    "ragged rows": ("a,b,y\n1,2,3\n1,2\n", 1, "--target y", ["row 2: 2 cells", "names 3", "quote cells"]),
    "no target": (rows(), 2, "", ["is a table", "--target COLUMN"]),
    "target that is not there": (rows(), 1, "--target z", ["no column 'z'", "it has: a, y"]),
    "target missing in a row": (rows(y=where(6, "")), 1, "--target y", ["missing in 1 of 40 rows", "row 6"]),
    "constant target": (rows(y=lambda i: 3), 1, "--target y", ["the same in all 40 rows"]),
    "one class only": (rows(y=lambda i: "p"), 1, "--target y", ["the same in all 40 rows"]),
    "a class in each row": (rows(y=lambda i: f"n{i}"), 1, "--target y", ["40 classes in 40 rows"]),
    "dates as target": (rows(y=lambda i: f"2020-01-{i % 28 + 1:02d}"), 1, "--target y", ["holds dates"]),
    "target twice": (rows(), 2, "--target y,y", ["'y' is twice among the targets"]),
    "target dropped": (rows(), 2, "--target y --drop y", ["is the target and is dropped"]),
    "inf": (rows(a=where(4, "inf")), 1, "--target y", ["'a', row 4: inf", "finite numbers to 1e100", "--drop a"]),
    "a number beyond reach": (rows(a=where(4, "1e300")), 1, "--target y", ["'a', row 4: 1e300", "to 1e100"]),
    "a target beyond reach": (rows(y=where(4, "1e300")), 1, "--target y", ["'y', row 4: 1e300", "to 1e100"]),
    "text where numbers were": (
        rows(y=where(31, "oops")), 1, "--target y",
        ["'y', row 31: 'oops' is no number", "correct it", "--numeric y", "--categorical y"],
    ),
    "text where numbers are asked for": (
        rows(a=where(31, "oops")), 1, "--target y --numeric a", ["'a', row 31: 'oops' where a number is meant"],
    ),
    "decimal comma in quotes": (
        rows(y=lambda i: f'"{i},5"'), 1, "--target y", ["numbers with commas", "--decimal ,", "--thousands ,"],
    ),
    "another delimiter": (rows(c="~"), 1, "--target y", ["no column 'y'", "it has: a~y", "--delimiter"]),
    "the wrong delimiter": (rows(), 1, "--target y --delimiter ;", ["no column 'y'", "--delimiter"]),
    "a delimiter of two": (rows(), 2, "--target y --delimiter xx", ["'xx'", "one character"]),
    "thousands of two digits": (rows(), 2, "--target y --thousands 12", ["'12'", "no digit"]),
    "thousands as decimal": (rows(), 2, "--target y --thousands .", ["both '.'", "--decimal"]),
    "unknown encoding": (rows(), 2, "--target y --encoding nope", ["'nope'", "cp1252"]),
    "open quote": ('a,y\n1,"2\n3,4\n', 1, "--target y", ["line 3", "write the file as CSV again"]),
    "bytes": (bytes(range(256)) * 8, 1, "--target y", ["bytes that are no text", "CSV or Parquet"]),
    "zero bytes": (b"a,y\n" + b"\0\0,1\n" * 40, 1, "--target y", ["bytes that are no text"]),
    "names twice": ("a,a,y\n1,2,3\n", 1, "--target y", ["names the column 'a' twice"]),
    "no logarithm": (rows(y=lambda i: i - 5), 1, "--target y --loss log-rmse", ["y is -5 in row 1", "above 0"]),
    "bins of names": (
        rows(a=lambda i: "pq"[i % 2]), 2, "--target y --bins a=width:3", ["holds categories", "columns of numbers"],
    ),
    "a window too long": (rows(), 1, "--target y --window 99", ["40 steps are fewer than a window of 99"]),
    "negative stride": (rows(), 2, "--target y --window 8 --stride -2", ["stride is -2", "1 or more"]),
    "negative gap": (rows(), 2, "--target y --window 8 --gap -1", ["gap is -1", "0 or more"]),
    "a gap too long": (rows(), 1, "--target y --window 8 --gap 90", ["0 to judge by", "horizon or gap"]),
    "a period above the window": (rows(), 2, "--target y --window 8 --period 9", ["period is 9 and window 8"]),
    "no window": (rows(), 2, "--target y --horizon 2", ["--window L", "--series rows"]),
    "steps without a window": (rows(), 2, "--target y --series steps", ["without --window"]),
    "unknown in the series": (rows(y=lambda i: ""), 1, "--target y --window 8", ["y is missing after every window"]),
    "constant series": (rows(y=lambda i: 2), 1, "--target y --window 8", ["the same in all"]),
    "dates to forecast": (
        rows(y=lambda i: f"20{i + 10}-01-01"), 1, "--target y --window 8", ["'y' holds dates", "numbers or classes"],
    ),
    "no such series": (rows(), 1, "--target y --window 8 --by who", ["no column 'who'"]),
    "a length of no sound": (rows(), 2, "--target y --window 8 --length 9", ["length is 9", "no folder of sounds"]),
    "too short for the network": (
        rows(), 2, "--target y --window 8 --network lenet1d", ["input_size is 8", "lenet1d needs at least 16 steps"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables_and_long_series(refused: Refused, tmp_path: Path, case: str) -> None:
    content, status, options, said = TABLES[case]
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    given, _, network = options.partition(" --network ")
    line = refused(status, "train", network or "mlp", "--data", "t.csv", *given.split(), "--epochs", "1")
    assert all(words in line for words in said), line


X = np.arange(640.0).reshape(40, 1, 16) ** 1.5
LABELS = np.arange(40) % 2
GAPS = np.where(np.arange(40) == 3, np.nan, np.arange(40.0))

# arrays by name, (exit status, arguments, what the line says)
ARRAYS: dict[str, tuple[dict[str, np.ndarray], int, str, list[str]]] = {
    "empty": ({"x": X[:0]}, 2, "--target y.npy", ["x.npy is 0×1×16", "N×C×L", "--window L"]),
    "no steps": ({"x": X[:, :, :0]}, 2, "--target y.npy", ["x.npy is 40×1×0"]),
    "a single number": ({"x": np.array(3.0)}, 2, "--target y.npy", ["a single number"]),
    "a long series without a window": ({"x": X.ravel()}, 2, "--target y.npy", ["x.npy is 640", "--window L"]),
    "a channel without a window": ({"x": X[0]}, 1, "--target x1", ["'x1', which is no file", "--window L"]),
    "text": ({"x": np.array([["a"]])}, 2, "--target y.npy", ["of <U1", "allowed: numbers"]),
    "complex": ({"x": X.astype(complex)}, 2, "--target y.npy", ["of complex128"]),
    "inf": ({"x": np.full_like(X, np.inf)}, 1, "--target y.npy", ["infinite number"]),
    "beyond reach": ({"x": X * 1e300}, 1, "--target y.npy", ["x.npy holds", "to 1e100"]),
    "nan alone": ({"x": np.full_like(X, np.nan)}, 1, "--target y.npy", ["holds nan alone"]),
    "fewer labels": ({"x": X, "y": LABELS[:3]}, 2, "--target y.npy", ["labels are 3 for 40 series"]),
    "labels of gaps": ({"x": X, "y": GAPS}, 1, "--target y.npy", ["missing in 1 of 40", "row 4"]),
    "labels of inf": ({"x": X, "y": np.full(40, np.inf)}, 1, "--target y.npy", ["a label is inf"]),
    "one class": ({"x": X, "y": LABELS * 0}, 1, "--target y.npy", ["the same in all 40"]),
    "no target": ({"x": X}, 2, "", ["what to predict with --target"]),
    "a channel that is not there": ({"x": X[0]}, 1, "--target x9 --window 4", ["no channel 'x9'", "it has: x1"]),
    "three axes": ({"x": X}, 2, "--target x1 --window 4", ["3 axes", "C×T"]),
    "drop": ({"x": X}, 2, "--target y.npy --horizon 3", ["horizon is 3 without a window", "--window L"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(refused: Refused, tmp_path: Path, case: str) -> None:
    arrays, status, options, said = ARRAYS[case]
    for name, array in {"y": LABELS, **arrays}.items():
        np.save(tmp_path / f"{name}.npy", array)
    line = refused(status, "train", "mlp", "--data", "x.npy", *options.split(), "--epochs", "1")
    assert all(words in line for words in said), line


# what lies there, by its path: None for a folder
FILES: dict[str, tuple[dict[str, bytes | None], int, str, list[str]]] = {
    "a folder for a file": ({"t.csv": None}, 1, "t.csv --target y", ["t.csv is a folder"]),
    "nothing": ({}, 1, "t.csv --target y", ["does not exist", "CSV or Parquet"]),
    "no Parquet": ({"t.parquet": b"x" * 99}, 1, "t.parquet --target y", ["is no Parquet file"]),
    "no array": ({"x.npy": b"hello", "y.npy": b""}, 1, "x.npy --target y.npy", ["x.npy:", "numpy.save"]),
    "no bytes": ({"x.npy": b""}, 1, "x.npy --target y.npy", ["x.npy: No data left", "numpy.save"]),
    "no archive": ({"x.npz": b"PK\x03\x04" + b"x" * 99}, 1, "x.npz --target y", ["x.npz:", "numpy.savez"]),
    "a sound of no samples": ({"u/a.wav": b"0", "v/b.wav": b""}, 1, ".", ["u/a.wav holds no samples", "leave it out"]),
    "no sound": ({"u/a.wav": b"RIFF", "v/b.wav": b"RIFF"}, 1, ".", ["u/a.wav is no .wav file", "leave it out"]),
    "sounds without folders": ({"a.wav": b"9"}, 1, ".", ["no .wav files in folders", "sort them"]),
    "sounds of one class": ({"u/a.wav": b"9", "u/b.wav": b"9"}, 1, ". --validation 0", ["the same in all 2"]),
    "a target of sounds": ({"u/a.wav": b"9", "v/b.wav": b"9"}, 2, ". --target z", ["target is z on sounds"]),
    "a window of sounds": ({"u/a.wav": b"9", "v/b.wav": b"9"}, 2, ". --window 4", ["window is 4 on sounds"]),
    "a rate of 0": ({"u/a.wav": b"9", "v/b.wav": b"9"}, 2, ". --rate 0", ["rate is 0", "1 or more"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_files_and_sounds(refused: Refused, tmp_path: Path, case: str) -> None:
    """A sound is given by its number of samples."""
    files, status, data, said = FILES[case]
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if content is None:
            path.mkdir()
        elif path.suffix == ".wav" and content.isdigit():
            wavfile.write(path, 8000, np.arange(int(content), dtype=np.int16))
        else:
            path.write_bytes(content)
    place, *options = data.split()
    line = refused(status, "train", "mlp", "--data", place, *options, "--epochs", "1")
    assert all(words in line for words in said), line


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on numbers, classes, a long series of two channels, series with labels, and sounds."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": ["p", "q"] * 30, "y": rng.normal(size=60)})
    pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "z"]).to_csv(folder / "long.csv", index=False)
    wide = pd.DataFrame(rng.normal(size=(60, 8)), columns=[f"s{place}" for place in range(8)])
    wide.assign(k=["p", "q"] * 30).to_csv(folder / "wide.csv", index=False)
    for place in range(12):
        (folder / f"sounds/{'uv'[place % 2]}").mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / f"sounds/{'uv'[place % 2]}/{place}.wav", 8000, rng.normal(size=64))
    sets = {
        "number": load_table(frame, "y"),
        "class": load_table(frame, "b"),
        "long": load_series(folder / "long.csv", "x", window=8),
        "wide": load_series(folder / "wide.csv", "k"),
        "labels": load_series(X, LABELS),
        "sound": load_series(folder / "sounds"),
    }
    config = TrainConfig(epochs=1, batch_size=16, validation=0.0, threads=1)
    for name, examples in sets.items():
        train("linear" if name in ("number", "long") else "softmax", examples, config, output=folder, name=name,
              listeners=())  # fmt: skip
    return folder


# rows for a run: (run, columns, exit status, what the line says)
ASKED: dict[str, tuple[str, dict[str, object], int, list[str]]] = {
    "a missing column": ("number", {"a": [1.0]}, 1, ["no column 'b'", "it has: a"]),
    "another name": ("number", {"A": [1.0], "b": ["p"]}, 1, ["no column 'a'", "it has: A, b"]),
    "text": ("number", {"a": [1, "t"], "b": ["p", "q"]}, 1, ["'a', row 2: 't' where a number is meant"]),
    "inf": ("number", {"a": [np.inf], "b": ["p"]}, 1, ["'a', row 1: inf"]),
    "beyond float32": ("number", {"a": [1e39], "b": ["p"]}, 1, ["1e+39 is out of reach", "correct the cell"]),
    "no rows": ("number", {"a": [], "b": []}, 1, ["no other; at least one row"]),
    "a missing channel": ("long", {"x": range(9)}, 1, ["no column 'z'", "it has: x"]),
    "too few steps": ("long", {"x": range(7), "z": range(7)}, 1, ["7 steps are fewer than a window of 8"]),
    "text in a channel": ("long", {"x": ["t"] * 9, "z": range(9)}, 1, ["'x', row 1: 't' where a number is meant"]),
    "a channel beyond float32": ("long", {"x": [1e50] * 9, "z": range(9)}, 1, ["'x'", "1e+50", "out of reach"]),
    "a missing step": ("wide", {f"s{place}": [0.5] for place in range(7)}, 1, ["no column 's7'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_rows_that_a_network_cannot_be_asked_about(
    refused: Refused, tmp_path: Path, runs: Path, case: str
) -> None:
    run, columns, status, said = ASKED[case]
    pd.DataFrame(columns).to_csv(tmp_path / "new.csv", index=False)
    line = refused(status, "predict", runs / run, "new.csv", "--csv")
    assert all(words in line for words in said), line


def test_what_a_network_cannot_be_judged_on(refused: Refused, tmp_path: Path, runs: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0], "y": [1.0, 2.0], "b": ["p", "odd"]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    line = refused(1, "evaluate", runs / "class", "--data", "new.csv")
    assert "b is 'odd', a class that no training row has; known: p, q" in line
    np.save(tmp_path / "x.npy", X)
    line = refused(
        1, "evaluate", runs / "labels", "--data", "x.npy"
    )  # never by the labels of the training series
    assert "without labels; give a .npz file that holds both: x and y" in line
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    assert "bytes that are no text" in refused(1, "predict", runs / "number", "p.png")
    np.save(tmp_path / "x.npy", X[:, :, :9])
    assert "1 channels (x1) of 9 steps; the model was trained on x1 of 16" in refused(
        1, "predict", runs / "labels", "x.npy"
    )


def predicted(convnets: Callable[..., str], run: Path, table: pd.DataFrame, path: Path) -> str:
    table.to_csv(path, index=False)
    return convnets("predict", run, path, "--csv")


def test_columns_are_found_by_name_in_any_order(
    tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from convnets.cli.main import run as run_command

    def convnets(*arguments: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert ended.value.code == 0, err
        return out

    rng = np.random.default_rng(1)
    for name, columns in (
        ("number", {"a": rng.normal(size=9), "b": ["p", "new", None] * 3}),
        ("long", {"x": rng.normal(size=12), "z": rng.normal(size=12)}),
        ("wide", {f"s{place}": rng.normal(size=5) for place in range(8)}),
    ):
        frame = pd.DataFrame(columns)
        moved = frame[frame.columns[::-1]].assign(note="further")
        first = predicted(convnets, runs / name, frame, tmp_path / "a.csv")
        assert first == predicted(convnets, runs / name, moved, tmp_path / "b.csv")
        values = first.splitlines()[1:]
        assert len(set(values)) == len(values) > 1
    # sounds need no classes, nor the length of those in training
    wavfile.write(tmp_path / "a.wav", 8000, rng.normal(size=50))
    assert convnets("predict", runs / "sound", tmp_path / "a.wav", "--csv") == convnets(
        "predict", runs / "sound", tmp_path, "--csv"
    )
    assert convnets("predict", runs / "sound", runs / "sounds", "--csv").count("\n") == 13


def test_odd_files_that_are_tables_are_read(tmp_path: Path) -> None:
    """Each says the same, and what was decided is told."""
    plain = rows(a=lambda i: f"{i}.5")
    same = {
        "bom": "\ufeff" + plain,
        "decimal comma": rows(a=lambda i: f"{i},5", c=";"),
        "carriage returns": plain.replace("\n", "\r"),
        "both": plain.replace("\n", "\r\n"),
        "blank lines": plain.replace("\n", "\n\n"),
    }
    path = tmp_path / "t.csv"
    path.write_text(plain)
    whole = load_table(path, "y")
    for case, text in same.items():
        path.write_text(text, encoding="utf-8", newline="")
        found = load_table(path, "y")
        assert found.content_hash() == whole.content_hash(), case
    path.write_text("a,t,y\n" + "".join(f'{i * i},"a\nb{i % 3}",{i}\n' for i in range(ROWS)))
    assert load_table(path, "y").column("t").categories == ("a\nb0", "a\nb1", "a\nb2")


def test_what_was_decided_about_a_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows(a=where(31, "?", lambda i: i * 1.5)))
    (note,) = load_table(path, "y").notes
    assert note.startswith("column 'a', row 31: '?' is no number, as its other cells are; correct it, or say")
    assert load_table(path, "y", categorical=["a"]).notes == ()
    days = [f"2020-01-{place % 28 + 1:02d}" for place in range(ROWS)]
    path.write_text(rows(a=where(2, "unknown", days.__getitem__)))
    (note,) = load_table(path, "y").notes
    assert "row 2: 'unknown' is no date" in note
    path.write_text(rows(a=lambda i: f"10.0.0.{i}"))
    assert load_table(path, "y").notes == ()  # addresses are names


def test_many_categories_share_a_number_and_it_is_told(tmp_path: Path) -> None:
    from convnets.training.tables.table_task import prepare_table

    frame = pd.DataFrame({"c": [f"n{i % 10_000}" for i in range(20_000)], "y": np.arange(20_000.0) % 7})
    task = prepare_table("linear", load_table(frame, "y"), TrainConfig(epochs=1, validation=0.0))
    assert task.encoder.shape == (102,)
    assert (
        "column 'c' has 10,000 categories: the 100 most frequent have a number of their own"
        in task.notices[0]
    )
