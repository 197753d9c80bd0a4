"""SeriesSet: series of equal length, or windows of a long one, with what is to be predicted kept apart.

N series, C channels, L steps of each; a long series has T steps. A counterpart of TableSet and ImageSet: it knows its
length, its subsets, and the hash of its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convnets.errors import DataError
from convnets.tables.table_set import Column

__all__ = ["SeriesSet"]


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Series to predict from, and what to predict of each.

    >>> windows = SeriesSet(np.arange(10.0)[None], ("x",), (), "an example", length=4, rows=np.array([0, 5]))
    >>> windows.values.tolist()
    [[[0.0, 1.0, 2.0, 3.0]], [[5.0, 6.0, 7.0, 8.0]]]
    """

    data: NDArray[Any]
    """Floats N×C×L; or C×T of a long series, whose windows are never copied."""
    channels: tuple[str, ...]
    targets: tuple[Column, ...]
    """A category or a number of each series, or the numbers of the next steps; empty where nothing is known."""
    source: str
    """Where the series came from, for people."""
    length: int
    """L."""
    rows: NDArray[np.int64] | None = None
    """Places of the series that are meant, of windows their first steps; None for all."""
    horizon: int = 0
    """Steps after a window that are predicted; 0 where something else is."""
    gap: int = 0
    """Steps left out between training and validation."""
    period: int = 1
    """Steps after which a series repeats, by which the naive forecast is made; 1: it says the last value again."""
    bounds: tuple[tuple[int, int], ...] = ()
    """Where each of the long series begins and ends; windows never reach over an end."""
    notes: tuple[str, ...] = ()
    """What was decided when it was read, for people."""
    read_from: Mapping[str, Any] | None = None
    """Path and options that read the very same series again; None for what was in memory, and for subsets."""
    steps: tuple[str, ...] = ()
    """Names of the columns that are the L steps, where each row of a file is a series."""
    groups: Column | None = None
    """Which series belong together: a split takes them as a whole; None: each by itself."""

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise DataError(f"{self.source}: no series of {self.length} steps; at least one is needed")

    @property
    def in_time(self) -> bool:
        """Whether they are windows, which have an order, or series apart from each other."""
        return self.data.ndim == 2

    @property
    def noun(self) -> str:
        """What an example is called."""
        return "window" if self.in_time else "series"

    @property
    def nouns(self) -> str:
        """What several are called."""
        return "windows" if self.in_time else "series"

    @property
    def whole(self) -> NDArray[Any]:
        """Every series, N×C×L, or every window, (T − L + 1)×C×L, as a view."""
        if not self.in_time:
            return self.data
        return sliding_window_view(self.data, self.length, axis=1).transpose(1, 0, 2)

    @property
    def places(self) -> NDArray[np.int64]:
        """int64 N: where each is in `whole`."""
        return np.arange(len(self.whole)) if self.rows is None else self.rows

    @property
    def values(self) -> NDArray[Any]:
        """The series that are meant: N×C×L."""
        return self.whole if self.rows is None else self.whole[self.rows]

    def __len__(self) -> int:
        return len(self.whole) if self.rows is None else len(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The channels."""
        return self.channels

    def column(self, name: str) -> Column:
        """The target of that name. Raises DataError where there is none."""
        for each in self.targets:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.targets) or "none"
        raise DataError(f"{self.source} has no target {name!r}; it has: {known[:200]}")

    def subset(self, rows: Sequence[int] | NDArray[Any]) -> SeriesSet:
        """The series at these places, in that order, or those of a mask."""
        chosen = np.asarray(rows)
        places = self.places[chosen if chosen.dtype == bool else chosen.astype(np.int64)]
        targets = tuple(replace(column, rows=places) for column in self.targets)
        groups = None if self.groups is None else replace(self.groups, rows=places)
        return replace(self, rows=places, targets=targets, read_from=None, groups=groups)

    def split_in_time(self, share: float) -> tuple[SeriesSet, SeriesSet]:
        """Training windows, which end before the last `share` of each long series, and those that predict it.

        No training window, and none of what it predicts, reaches into that part. A window that predicts it may begin
        before; one that is told to which class it belongs lies in it as a whole.
        """
        learned = np.zeros(len(self), dtype=bool)
        judged = np.zeros(len(self), dtype=bool)
        for here, begin, end in self._long_series():
            cut = end - max(1, round((end - begin) * share))
            learned |= here & (self.places + self.length + self.horizon <= cut)
            seen = self.length if self.horizon else 0
            judged |= here & (self.places + seen >= cut + self.gap)
        return self._parts(learned, judged)

    def folds_in_time(self, folds: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Of K folds which windows learn and which are judged: each is judged by what came before it alone.

        The first of K + 1 equal parts of the time only ever learns.
        """
        found = []
        for fold in range(1, folds + 1):
            learned = np.zeros(len(self), dtype=bool)
            judged = np.zeros(len(self), dtype=bool)
            for here, begin, end in self._long_series():
                cut, stop = (begin + (end - begin) * part // (folds + 1) for part in (fold, fold + 1))
                last = self.places + self.length + self.horizon
                seen = self.length if self.horizon else 0
                learned |= here & (last <= cut)
                judged |= here & (self.places + seen >= cut + self.gap) & (last <= stop)
            self._parts(learned, judged)
            found.append((learned.nonzero()[0], judged.nonzero()[0]))
        return found

    def _long_series(self) -> Iterator[tuple[NDArray[np.bool_], int, int]]:
        """Of each long series which windows are of it, the first step that they see and the end of the last one."""
        for begin, end in self.bounds:
            here = (self.places >= begin) & (self.places < end)
            if here.any():
                places = self.places[here]
                yield here, int(places.min()), int(places.max()) + self.length + self.horizon

    def _parts(self, learned: NDArray[np.bool_], judged: NDArray[np.bool_]) -> tuple[SeriesSet, SeriesSet]:
        if not learned.any() or not judged.any():
            raise DataError(
                f"{self.source}: {self.data.shape[-1]:,} steps leave {int(learned.sum())} windows to learn from and "
                f"{int(judged.sum())} to judge by; give a longer series, or a smaller window, "
                "horizon or gap"
            )
        return self.subset(learned), self.subset(judged)

    def naive_forecast(self) -> NDArray[np.float64]:
        """float64 N×K: the value one period before each step that is predicted, of the targets in their order."""
        ahead = np.arange(1, self.horizon + 1)
        back = self.length - 1 + ahead - self.period * np.ceil(ahead / self.period).astype(int)
        names = list(dict.fromkeys(column.name.rpartition(" +")[0] for column in self.targets))
        channels = [self.channels.index(name) for name in names]
        found = self.values[:, channels][:, :, back].astype(np.float64)
        return found.reshape(len(self), -1)

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names and values: equal series have equal hashes."""
        digest = hashlib.sha256(repr((self.channels, self.length, self.horizon, self.data.shape)).encode())
        digest.update(np.ascontiguousarray(self.data).data)
        digest.update(np.ascontiguousarray(self.places).data)
        for column in self.targets:
            about = "\0".join((column.name, column.kind, *column.categories))
            digest.update(about.encode("utf-8", "surrogateescape"))
            digest.update(np.ascontiguousarray(column.values).data)
        return digest.hexdigest()

    def __str__(self) -> str:
        ahead = f", {self.horizon} steps ahead" if self.horizon else ""
        head = (
            f"{self.source}: {len(self):,} {self.nouns} of {self.length:,} steps{ahead}, "
            f"{len(self.channels)} channels ({', '.join(self.channels)[:80]})"
        )
        told = [f"target {each.name}: {each.describe()}" for each in self.targets[:4]]
        more = [f"… {len(self.targets)} targets in all"] if len(self.targets) > 4 else []
        return "\n".join((head, *told, *more, *self.notes))

    __repr__ = __str__
