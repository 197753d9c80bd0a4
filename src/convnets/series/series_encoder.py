"""SeriesEncoder: how series become a network's input. It travels inside the model folder.

N series, C channels, L steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from convnets.errors import ConfigError, DataError
from convnets.series.load_series import open_series
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.series.sounds import is_sound
from convnets.tables.encoded_rows import Inputs

__all__ = ["EncodedSeries", "SeriesEncoder"]

_AT_ONCE = 1 << 14  # series whose mean and spread are taken together


@dataclass(frozen=True, eq=False)
class EncodedSeries:
    """float32 N×C×L, or N×(C·L), of which series are made when they are asked for."""

    whole: Tensor
    """Of all windows, as a view of the long series."""
    places: Tensor
    """int64 N."""
    mean: Tensor
    """float64 C×1."""
    std: Tensor
    flat: bool

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """float32 n×C×L of these series; a missing value is the channel's mean, 0."""
        values = (self.whole[self.places[rows]].double() - self.mean) / self.std
        found = values.nan_to_num(0.0).float()
        return found.flatten(1) if self.flat else found

    @property
    def nbytes(self) -> int:
        """Bytes that are kept: those of the long series, not of its windows."""
        return self.whole.untyped_storage().nbytes() + self.places.nbytes

    def to(self, device: torch.device | str) -> EncodedSeries:
        """The same on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("places", "mean", "std")}
        return replace(self, whole=_moved(self.whole, device), **moved)


def _tensor(series: SeriesSet) -> Tensor:
    """Every series, or every window as a view of the long one."""
    data = torch.from_numpy(series.data if series.data.flags.writeable else series.data.copy())
    return data.unfold(1, series.length, 1).transpose(0, 1) if series.in_time else data


def _moved(view: Tensor, device: torch.device | str) -> Tensor:
    """A view on another device, with its overlaps."""
    if view.device == torch.device(device):
        return view
    long = torch.as_strided(view, (view.untyped_storage().nbytes() // view.element_size(),), (1,), 0)
    return torch.as_strided(long.to(device), view.shape, view.stride(), view.storage_offset())


@dataclass(frozen=True)
class SeriesEncoder:
    """(x − mean) / std of each channel, by the training series.

    >>> series = SeriesSet(np.array([[[1.0, 3.0]], [[1.0, 3.0]]]), ("x",), (), "an example", length=2)
    >>> SeriesEncoder.fit(series)(series).tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    length: int
    """L that the network was trained with."""
    flat: bool = False
    """Whether the network takes C·L numbers in a row, as linear ones do."""
    options: SeriesOptions | None = None
    """How further files are read; None where the series came from memory."""
    steps: tuple[str, ...] = ()
    """Columns that are the steps, where each row of a file is a series."""

    @classmethod
    def fit(cls, series: SeriesSet, *, flat: bool = False, options: SeriesOptions | None = None) -> Self:
        """Mean and population standard deviation of each channel, which are to be those of training series alone."""
        count = np.zeros(len(series.channels))
        total, squares = np.zeros_like(count), np.zeros_like(count)
        pieces = range(0, len(series), _AT_ONCE)
        for start in pieces:
            values = series.whole[series.places[start : start + _AT_ONCE]]
            count += (~np.isnan(values)).sum((0, 2))
            total += np.nansum(values, (0, 2), dtype=np.float64)
        mean = total / np.maximum(count, 1)
        for start in pieces:
            values = series.whole[series.places[start : start + _AT_ONCE]]
            squares += np.nansum((values - mean[:, None]) ** 2, (0, 2), dtype=np.float64)
        std = np.sqrt(squares / np.maximum(count, 1))
        std[std == 0] = 1.0
        return cls(series.channels, tuple(mean.tolist()), tuple(std.tolist()), series.length, flat, options,
                   series.steps)  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input: C×L, or C·L."""
        shape = (len(self.channels), self.length)
        return (shape[0] * shape[1],) if self.flat else shape

    @property
    def groups(self) -> dict[str, slice]:
        """By channel where it is along the second axis of an input."""
        each = self.length if self.flat else 1
        return {name: slice(place * each, (place + 1) * each) for place, name in enumerate(self.channels)}

    @property
    def about(self) -> str:
        """What goes in, in a few words."""
        return f"{len(self.channels)} channels × {self.length:,} steps"

    def __call__(self, series: SeriesSet) -> np.ndarray[Any, np.dtype[np.float32]]:
        """float32 N×C×L, all at once. Raises what `encode` raises."""
        return self.encode(series)[:].numpy()

    def encode(self, series: SeriesSet) -> Inputs:
        """The series, any of which can be asked for as float32 n×C×L.

        Raises DataError for other channels or another length.
        """
        if series.channels != self.channels or series.length != self.length:
            raise DataError(
                f"{series.source}: {len(series.channels)} channels ({', '.join(series.channels)[:60]}) of "
                f"{series.length} steps; the model was trained on {', '.join(self.channels)[:60]} of {self.length}"
            )
        self._check_reach(series)
        mean, std = (torch.tensor(each, dtype=torch.float64)[:, None] for each in (self.mean, self.std))
        return EncodedSeries(_tensor(series), torch.from_numpy(series.places), mean, std, self.flat)

    def _check_reach(self, series: SeriesSet) -> None:
        """Raise DataError for a number that float32 does not hold once it is standardized."""
        axis: Any = 1 if series.in_time else (0, 2)
        largest = np.maximum(np.fmax.reduce(series.data, axis), -np.fmin.reduce(series.data, axis))
        scaled = (largest.astype(np.float64) + np.abs(self.mean)) / self.std
        for name, value, far in zip(self.channels, largest.tolist(), scaled.tolist(), strict=True):
            if far > float(np.finfo(np.float32).max):
                raise DataError(
                    f"{series.source}: channel {name!r} holds a number of size {value:g}, out of reach of what it was "
                    "in training; correct it, or make it missing"
                )

    def read(self, data: str | Path | Any, target: tuple[str, ...] = (), **_: Any) -> SeriesSet:
        """Further series as the first ones were read; without a target every window, also the last.

        Columns of a CSV or Parquet file are found by name, in any order; others are passed over.
        """
        options, asked = self.options or SeriesOptions(), bool(target)
        known = self.steps if options.window is None else self.channels
        path = Path(data) if isinstance(data, str | Path) else None
        if path is not None and (path.is_dir() or is_sound(path)):
            options = replace(options, length=self.length)
        elif asked and path is not None and options.window is None:
            if path.suffix.lower() == ".npy":
                raise DataError(
                    f"{path} holds series without labels; give a .npz file that holds both: x and y"
                )
            if path.suffix.lower() == ".npz" and options.target[0].endswith(".npy"):
                options = replace(options, target=("y",))
        return open_series(data, options, targets=asked, known=known)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: list(getattr(self, name)) for name in ("channels", "mean", "std")}
        options = None if self.options is None else self.options.to_dict()
        return {
            **plain,
            "length": self.length,
            "flat": self.flat,
            "options": options,
            "steps": list(self.steps),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ConfigError for anything else."""
        try:
            mean, std = (tuple(float(each) for each in values[key]) for key in ("mean", "std"))
            options = None if values["options"] is None else SeriesOptions.from_dict(dict(values["options"]))
            channels = tuple(str(each) for each in values["channels"])
            if not len(channels) == len(mean) == len(std) or not all(each > 0 for each in std):
                raise ValueError("a mean and a std above 0 of each channel")
            return cls(channels, mean, std, int(values["length"]), bool(values["flat"]), options,
                       tuple(str(each) for each in values.get("steps", ())))  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the encoder of series lacks or mistypes {str(error)[:100]}") from None
