"""Windows against loops, splits in time that see nothing of the future, hashes and naive forecasts."""

from __future__ import annotations

import numpy as np
import pytest

from convnets.errors import DataError
from convnets.series.load_series import load_series
from convnets.series.series_set import SeriesSet


def wave(steps: int = 60) -> np.ndarray:
    t = np.arange(steps)
    return np.stack([np.sin(t / 3), t.astype(float)])


def test_windows_and_what_follows_are_those_of_a_loop() -> None:
    long = wave()
    series = load_series(long, ["x1", "x2"], window=7, horizon=3, stride=2)
    starts = range(0, 60 - 7 - 3 + 1, 2)
    assert np.array_equal(series.values, np.stack([long[:, s : s + 7] for s in starts]))
    names = [f"{name} +{ahead}" for name in ("x1", "x2") for ahead in (1, 2, 3)]
    assert [column.name for column in series.targets] == names
    wanted = np.stack([long[:, s + 7 : s + 10].reshape(-1) for s in starts])
    assert np.array_equal(np.stack([column.values for column in series.targets], 1), wanted)
    assert series.whole.base is not None  # windows are no copies
    part = series.subset([3, 0])
    assert np.array_equal(part.values, series.values[[3, 0]])
    assert np.array_equal(part.targets[4].values, wanted[[3, 0], 4])


@pytest.mark.parametrize("gap", [0, 4])
def test_a_split_in_time_leaks_nothing(gap: int) -> None:
    """The future is planted: whatever is learned from must not change with it."""
    long = wave(80)
    planted = long.copy()
    planted[:, 64:] = 1e6
    parts = [
        load_series(each, "x1", window=8, horizon=2, gap=gap).split_in_time(0.2) for each in (long, planted)
    ]
    (learned, judged), (again, _) = parts
    assert learned.content_hash != judged.content_hash
    for one, other in ((learned.values, again.values), *zip(_targets(learned), _targets(again), strict=True)):
        assert np.array_equal(one, other)
    assert max(_targets(learned)[1]) < 1e5
    first = judged.places.min() + 8
    assert first == 64 + gap
    assert learned.places.max() + 8 + 2 == 64


def _targets(series: SeriesSet) -> list[np.ndarray]:
    return [column.values for column in series.targets]


def test_classes_of_windows_share_no_step_between_the_parts() -> None:
    t = np.arange(90)
    long = SeriesSet(np.sin(t / 4)[None], ("x",), (), "here", 10, np.arange(0, 81, 3), bounds=((0, 90),))
    learned, judged = long.split_in_time(0.3)
    assert learned.places.max() + 10 <= judged.places.min()


def test_folds_in_time_are_judged_by_the_past_alone() -> None:
    series = load_series(wave(100), "x1", window=6, horizon=2)
    judged_so_far: set[int] = set()
    for learned, judged in series.folds_in_time(4):
        steps = series.places[learned].max() + 8, series.places[judged].min() + 6
        assert steps[0] <= steps[1]
        assert not judged_so_far & set(judged.tolist())
        judged_so_far |= set(judged.tolist())
        training, validation = series.subset(learned).split_in_time(0.2)
        assert training.places.max() + 8 <= validation.places.min() + 6


def test_long_series_apart_from_each_other_are_never_joined(tmp_path: object) -> None:
    series = SeriesSet(
        np.arange(20.0)[None], ("x",), (), "here", 4, np.array([0, 5, 10, 15, 16]), bounds=((0, 10), (10, 20))
    )
    learned, judged = series.split_in_time(0.5)
    assert learned.places.tolist() == [0, 10]
    assert judged.places.tolist() == [5, 15, 16]


@pytest.mark.parametrize("period", [1, 3, 4])
def test_the_naive_forecast_repeats_the_last_period(period: int) -> None:
    long = wave(40)
    series = load_series(long, ["x2"], window=6, horizon=5, period=period)
    for row, start in enumerate(series.places[:4]):
        past = long[1, start : start + 6].tolist()
        for _ in range(5):
            past.append(past[-period])
        assert series.naive_forecast()[row].tolist() == past[6:]


def test_hashes_tell_series_apart() -> None:
    long = wave()
    base = load_series(long, "x1", window=5)
    assert base.content_hash() == load_series(long.copy(), "x1", window=5).content_hash()
    changed = long.copy()
    changed[1, 30] += 1e-9
    for other in (
        load_series(changed, "x1", window=5),
        load_series(long, "x2", window=5),
        load_series(long, "x1", window=6),
        load_series(long, "x1", window=5, stride=2),
    ):
        assert other.content_hash() != base.content_hash()


def test_too_short_series_are_told() -> None:
    with pytest.raises(DataError, match=r"leave 9 windows to learn from and 0 to judge by") as caught:
        SeriesSet(
            np.arange(30.0)[None], ("x",), (), "here", 20, np.arange(10), bounds=((0, 30),)
        ).split_in_time(0.01)
    assert "\n" not in str(caught.value)
