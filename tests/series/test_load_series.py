"""Series from arrays, files of numbers, CSV files and sounds; each file that holds none refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile
from scipy.signal import resample

from convnets.errors import ConvnetsError
from convnets.series.load_series import is_of_series, load_series


def test_arrays_and_their_files_give_the_same(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(12, 3, 9)).astype(np.float32)
    y = np.arange(12) % 4
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    series = load_series(x, y)
    assert series.targets[0].categories == ("0", "1", "2", "3")
    assert np.array_equal(series.values, x)
    for other in (
        load_series(tmp_path / "x.npy", str(tmp_path / "y.npy")),
        load_series(tmp_path / "both.npz", "y"),
    ):
        assert other.content_hash() == series.content_hash()
        assert other.read_from is not None
    assert load_series(x[:, 0]).values.shape == (12, 1, 9)
    assert load_series(x, y / 2.0).targets[0].kind == "number"
    assert [each.name for each in load_series(x, np.zeros((12, 2))).targets] == ["y1", "y2"]


def test_rows_of_a_csv_file_are_series(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(10, 5)), columns=list("abcde"))
    frame["label"] = ["p", "q"] * 5
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    series = load_series(path, "label")
    assert np.array_equal(series.values[:, 0], frame[list("abcde")])
    assert series.targets[0].texts() == ["p", "q"] * 5


def steps(folder: Path, **columns: object) -> Path:
    path = folder / "steps.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_steps_of_a_csv_file_become_windows(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-01", periods=30).strftime("%Y-%m-%d")
    path = steps(tmp_path, day=days, heat=np.arange(30.0) ** 2, rain=np.cos(np.arange(30)))
    series = load_series(path, "heat", window=4, horizon=2)
    assert series.channels == ("heat", "rain")
    assert series.values[3, 0].tolist() == [9, 16, 25, 36]
    assert [column.values[3] for column in series.targets] == [49, 64]
    counted = load_series(steps(tmp_path, n=np.arange(60), x=np.cos(np.arange(60))), "x", window=4, period=2)
    assert counted.channels == ("x",)
    assert "counts the rows: left out" in counted.notes[0]


def test_several_series_in_one_file_are_told_apart(tmp_path: Path) -> None:
    path = steps(tmp_path, who=["a", "b"] * 12, x=np.arange(24.0) ** 1.5)
    series = load_series(path, "x", window=5, by="who")
    assert len(series) == 2 * (12 - 5)
    steps_of = [np.arange(0, 24, 2.0) ** 1.5, np.arange(1, 24, 2.0) ** 1.5]
    wanted = [each[s : s + 5] for each in steps_of for s in range(7)]
    assert np.array_equal(series.values[:, 0], wanted)


def test_the_class_of_a_window_is_that_of_its_last_step(tmp_path: Path) -> None:
    path = steps(tmp_path, x=np.cos(np.arange(20)), state=["run"] * 10 + ["rest"] * 10)
    series = load_series(path, "state", window=4)
    assert len(series) == 17
    assert series.targets[0].texts()[5:8] == ["run", "run", "rest"]
    assert series.horizon == 0


def test_missing_values_are_kept_and_missing_targets_left_out(tmp_path: Path) -> None:
    x = np.cos(np.arange(20))
    x[7] = np.nan
    series = load_series(steps(tmp_path, x=x), "x", window=3)
    assert len(series) == 16
    assert "1 windows are left out" in series.notes[0]
    assert np.isnan(series.values).any()


def test_sounds_are_averaged_and_resampled(tmp_path: Path) -> None:
    t = np.arange(1600) / 16000
    tone = np.sin(2 * np.pi * 440 * t)
    for name, rate, samples in (
        ("low/a.wav", 16000, (tone * 32767).astype(np.int16)),
        ("low/b.wav", 8000, np.stack([tone[::2], np.zeros(800)], 1).astype(np.float32)),
        ("high/c.wav", 16000, (128 + 127 * tone).astype(np.uint8)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        wavfile.write(tmp_path / name, rate, samples)
    assert is_of_series(tmp_path)
    sounds = load_series(tmp_path, rate=8000)
    assert sounds.values.shape == (3, 1, 800)
    assert sounds.targets[0].texts() == ["high", "low", "low"]
    inner = slice(50, 750)  # the ends of a resampled sound ring
    assert np.abs(sounds.values[1, 0] - resample(tone, 800))[inner].max() < 0.02
    assert np.allclose(sounds.values[2, 0], tone[::2] / 2, atol=1e-6)
    assert np.abs(sounds.values[0, 0] - resample(tone, 800))[inner].max() < 0.03
    assert load_series(tmp_path, rate=8000, length=100).values.shape == (3, 1, 100)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "none": (lambda p: load_series(p / "x.npy"), "does not exist; give a .npy"),
    "text": (lambda p: load_series(np.array([["a"]])), "allowed: numbers"),
    "axes": (lambda p: load_series(np.zeros((2, 2, 2, 2))), "allowed: N×C×L, or N×L of one channel"),
    "inf": (lambda p: load_series(np.full((2, 4), np.inf)), "holds an infinite number"),
    "labels": (lambda p: load_series(np.zeros((3, 4)), np.zeros(2)), "labels are 2 for 3 series"),
    "window": (lambda p: load_series(np.zeros((1, 9)), "x1", window=0), "window is 0; allowed"),
    "long window": (lambda p: load_series(np.zeros((1, 9)), "x1", window=9), "9 steps are fewer than a window of 9"),
    "period": (lambda p: load_series(np.zeros((1, 9)), "x1", window=3, period=4), "must hold a period"),
    "channel": (lambda p: load_series(np.zeros((1, 9)), "x2", window=3), "has no channel 'x2'; it has: x1"),
    "list": (lambda p: load_series([1, 2]), "series are list; allowed"),  # type: ignore[arg-type]
    "column": (lambda p: load_series(steps(p, x=range(9)), "y", window=3), "has no column 'y'"),
    "backwards": (
        lambda p: load_series(steps(p, day=["2020-01-02", "2020-01-01"] * 9, x=np.cos(range(18))), "x", window=3),
        "row 2: day goes back in time",
    ),
    "names": (
        lambda p: load_series(steps(p, x=np.cos(range(18)), who=["a", "b"] * 9), "x", window=3),
        "column 'who' holds names, which are no channel",
    ),
    "wav": (
        lambda p: ((p / "a").mkdir(), (p / "a" / "x.wav").write_bytes(b"RIFF"), load_series(p)),
        "is no .wav file that can be read",
    ),
    "no wav": (lambda p: load_series(p), "has no .wav files in folders"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_what_holds_no_series_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    call, message = BAD[case]
    with pytest.raises(ConvnetsError, match=message) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
