"""load_series: arrays, CSV files and folders of sounds as a SeriesSet."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.errors import DataError, InputError, UsageError
from convnets.series.csv_series import series_of_rows, windows_of_steps
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.series.sounds import holds_sounds, is_sound, read_sounds
from convnets.series.windows import windows
from convnets.tables.table_set import Column
from convnets.tables.values import beyond_reach

__all__ = ["is_of_series", "load_series", "open_series"]

_ARRAYS = (".npy", ".npz")
_OF_WINDOWS = ("horizon", "stride", "gap", "period", "by")


def load_series(
    data: str | Path | NDArray[Any],
    target: str | Sequence[str] | NDArray[Any] = (),
    *,
    window: int | None = None,
    horizon: int = 1,
    stride: int = 1,
    gap: int = 0,
    period: int = 1,
    by: str | None = None,
    drop: Sequence[str] = (),
    rate: int = 8000,
    length: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str = "",
    date_format: str | None = None,
) -> SeriesSet:
    """Read series, or windows of a long one.

    Args:
        data: one of these:
            - a NumPy array or .npy file N×C×L, or N×L of one channel; `target` is then an array or a .npy file of N
              labels (whole numbers are classes, floats are numbers). A .npz file holds both: x, and y or `target`.
            - a CSV or Parquet file whose rows are series: its columns of numbers, in their order, are the steps.
            - with `window`: a CSV or Parquet file, whose rows are the steps of a long series and whose columns of
              numbers are its channels; or an array C×T. A target of numbers is forecast, `horizon` steps ahead of each
              window; of a target of classes the one at the window's last step.
            - a folder of .wav files in a folder for each class: one channel, resampled to `rate`.
        target: what to predict.
        window: steps of each window; `stride` from one to the next.
        horizon: steps ahead that are predicted.
        gap: steps left out between training and validation, which are parts of the time, never mixed.
        period: steps after which the series repeats, for the naive forecast that stands beside.
        by: column that tells several long series in one file apart.
        drop: columns to leave out.
        rate: samples a second of sounds; `length`: samples of each.
        encoding: of a CSV file, where it is not found out; delimiter, decimal, thousands and date_format likewise.

    Raises DataError for a file that holds no such series, ConfigError for options that are not allowed.

    >>> load_series(np.arange(20.0)[None], "x1", window=8, horizon=2).values.shape
    (11, 1, 8)
    """
    labels = target if isinstance(target, np.ndarray) else None
    names = () if labels is not None else (target,) if isinstance(target, str) else tuple(target)
    options = SeriesOptions(
        names, tuple(drop), window, horizon, stride, gap, period, by, rate, length, encoding, delimiter, decimal,
        thousands, date_format,
    )  # fmt: skip
    return open_series(data, options, labels=labels)


def is_of_series(path: Path) -> bool:
    """Whether a file or folder can hold nothing but series."""
    return path.suffix.lower() in _ARRAYS or (path.is_dir() and holds_sounds(path))


def open_series(
    data: str | Path | Any,
    options: SeriesOptions,
    *,
    labels: NDArray[Any] | None = None,
    targets: bool = True,
    known: tuple[str, ...] = (),
) -> SeriesSet:
    """`load_series`, with the options in one record; without `targets` none is asked for, as at prediction.

    known: of a CSV or Parquet file the columns to take, by name; others are passed over.
    """
    if isinstance(data, SeriesSet):
        return data
    if isinstance(data, np.ndarray):
        return _of_array(data, labels, options, "given array", targets=targets)
    if not isinstance(data, str | Path):
        raise InputError(f"series are {type(data).__name__}; allowed: a path, or a NumPy array N×C×L or N×L")
    path, source = Path(data).expanduser(), str(data)
    if options.window is None:
        options.refuse(
            _OF_WINDOWS, "without a window; give the steps that the network sees at once (--window L)"
        )
    if targets and not path.is_dir():
        options.refuse(("rate", "length"), f"and {source} is no folder of sounds; leave it out")
    if path.is_dir() or is_sound(path):
        found = read_sounds(path, options, source, targets=targets)
        options.refuse(
            ("target", "window", *_OF_WINDOWS, "drop"),
            "on sounds, whose classes are their folders; leave it out",
        )
    elif path.suffix.lower() in _ARRAYS:
        found = _of_array(*_read_arrays(path, options, targets=targets), options, source, targets=targets)
    elif options.window is None:
        found = series_of_rows(path, options, source, targets=targets, known=known)
    else:
        found = windows_of_steps(path, options, source, targets=targets, known=known)
    where = str(path.absolute())
    return replace(found, read_from={"path": where, "options": options.to_dict()})


def _read_arrays(
    path: Path, options: SeriesOptions, *, targets: bool
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a .npy or .npz file, a CSV file or a folder of sounds")
    if len(options.target) > 1:
        raise UsageError(f"{path} has one target; given: {', '.join(options.target)}")
    name = options.target[0] if options.target and targets and options.window is None else None
    found = _loaded(path)
    if isinstance(found, np.ndarray):
        return found, None if name is None else _labels(path, Path(name).expanduser())
    with found:
        missing = [key for key in ("x", name or "x") if key not in found]
        if missing:
            raise DataError(
                f"{path} has no array {missing[0]!r}; it has: {', '.join(found)[:100]}; x holds the series"
            )
        return _checked(lambda: found["x"], path), None if name is None else _checked(
            lambda: found[name], path
        )


def _labels(path: Path, file: Path) -> NDArray[Any]:
    if not file.is_file():
        raise DataError(
            f"target is {str(file)!r}, which is no file; of a .npy file it is the .npy file of the labels, and of one "
            f"long series C×T its channel, such as x1, with --window L"
        )
    found = _loaded(file)
    if not isinstance(found, np.ndarray):
        raise DataError(
            f"{file} holds several arrays; allowed: labels in a .npy file, or {path} as .npz with x and y"
        )
    return found


def _loaded(file: Path) -> Any:
    if file.suffix.lower() == ".npz" and not zipfile.is_zipfile(file):
        raise DataError(f"{file}: no archive of arrays; give a file that numpy.savez wrote")
    return _checked(lambda: np.load(file, allow_pickle=False), file)


def _checked(read: Callable[[], Any], file: Path) -> Any:
    try:
        return read()
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = "objects, which are never read" if "allow_pickle" in str(error) else str(error)[:120]
        raise DataError(
            f"{file}: {why}; give a file of numbers that numpy.save or numpy.savez wrote"
        ) from None


def _of_array(
    array: NDArray[Any], labels: NDArray[Any] | None, options: SeriesOptions, source: str, *, targets: bool
) -> SeriesSet:
    shape = "×".join(map(str, array.shape)) or "a single number"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{source}: {shape} of {array.dtype}; allowed: numbers")
    values = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    if (far := beyond_reach(values)).any():
        raise DataError(
            f"{source} holds {'an infinite number' if np.isinf(values).any() else f'{values[far][0]:g}'}; allowed: "
            "finite ones to 1e100, nan where one is missing"
        )
    if values.size and np.isnan(values).all():
        raise DataError(f"{source} holds nan alone; give series of which something is known")
    if options.window is not None:
        return _windows_of_array(values, replace(options, target=options.target if targets else ()), source)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(
            f"{source} is {shape}; allowed: N×C×L, or N×L of one channel, or C×T of a long series with --window L"
        )
    values = values[:, None] if array.ndim == 2 else values
    channels = tuple(f"x{place}" for place in range(1, values.shape[1] + 1))
    known = () if labels is None else _targets(labels, len(values), source)
    return SeriesSet(np.ascontiguousarray(values), channels, known, source, values.shape[2])


def _windows_of_array(values: NDArray[Any], options: SeriesOptions, source: str) -> SeriesSet:
    if values.ndim not in (1, 2):
        raise InputError(f"{source} has {values.ndim} axes; with window it is one long series, C×T")
    values = np.atleast_2d(values)
    channels = tuple(f"x{place}" for place in range(1, len(values) + 1))
    forecast = {name: values[channels.index(name)] for name in options.target if name in channels}
    if len(forecast) < len(options.target):
        raise DataError(f"{source} has no channel {options.target[-1]!r}; it has: {', '.join(channels)}")
    return windows(values, channels, forecast, None, ((0, values.shape[1]),), options, source)


def _targets(labels: NDArray[Any], count: int, source: str) -> tuple[Column, ...]:
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise InputError(
            f"{source}: labels are {'×'.join(map(str, labels.shape))} for {count} series; allowed: one for each"
        )
    if labels.dtype.kind in "biuUS":
        if labels.ndim == 2:
            raise InputError(f"{source}: labels are of two axes; classes have one, N")
        classes, codes = np.unique(labels, return_inverse=True)
        known = tuple(str(each) for each in classes.tolist())
        return (Column("class", "category", codes.astype(np.int32), known),)
    if labels.dtype.kind != "f":
        raise InputError(f"{source}: labels of {labels.dtype}; allowed: whole numbers, text or floats")
    numbers = labels.astype(np.float64).reshape(count, -1)
    if beyond_reach(numbers).any():
        raise DataError(
            f"{source}: a label is {numbers[beyond_reach(numbers)][0]}; allowed: finite numbers to 1e100"
        )
    names = [f"y{place}" for place in range(1, numbers.shape[1] + 1)] if numbers.shape[1] > 1 else ["y"]
    return tuple(Column(name, "number", numbers[:, place]) for place, name in enumerate(names))
