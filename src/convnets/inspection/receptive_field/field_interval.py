"""FieldInterval: which pixels, along one axis of the image, the units of a tensor can see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FieldInterval",
    "FieldIntervals",
    "Seen",
    "Window",
    "image_interval",
    "join",
    "select",
    "transposed",
    "united",
    "windowed",
]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class FieldInterval:
    """For each unit along one dimension of a tensor, the interval of pixels that it sees; both ends are included.

    `low` and `high` go on into the padding, as if the image had no border: fields are measured with them. `first`
    and `last` are pixels of the image; where a unit sees padding only, `first` is above `last`.
    """

    dim: int | None
    """The dimension of the tensor along which units differ; None where all see the same, and arrays have length 1."""
    low: Numbers
    high: Numbers
    first: Numbers
    last: Numbers
    jump: float
    """Pixels from one unit to the next, by the strides so far."""

    def map(self, change: Callable[[Numbers], Numbers]) -> FieldInterval:
        """The same with `change` applied to the four arrays."""
        return FieldInterval(
            self.dim, change(self.low), change(self.high), change(self.first), change(self.last), self.jump
        )

    def hull(self) -> FieldInterval:
        """All units together: what anything sees that looks at the whole of this dimension."""
        lowest, highest = self.low.min(keepdims=True), self.high.max(keepdims=True)
        return FieldInterval(
            None,
            lowest,
            highest,
            self.first.min(keepdims=True),
            self.last.max(keepdims=True),
            self.jump,
        )


@dataclass(frozen=True)
class Window:
    """A sliding window along one axis."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def image_interval(dim: int, side: int) -> FieldInterval:
    """Of the image itself: each pixel sees itself.

    >>> image_interval(dim=2, side=3).first
    array([0., 1., 2.])
    """
    pixels = np.arange(side, dtype=np.float64)
    return FieldInterval(dim, pixels, pixels, pixels, pixels, 1.0)


def windowed(interval: FieldInterval, window: Window, units: int) -> FieldInterval:
    """What the `units` outputs of a convolution or pooling see along its axis.

    Output i looks at inputs i·stride − padding + t·dilation for t = 0 … kernel − 1.

    >>> seen = windowed(image_interval(2, 8), Window(kernel=3, stride=2, padding=1), units=4)
    >>> seen.low, seen.first
    (array([-1.,  1.,  3.,  5.]), array([0., 1., 3., 5.]))
    """
    taps = np.arange(window.kernel) * window.dilation
    places = np.arange(units)[:, None] * window.stride - window.padding + taps
    return _looked_at(interval, places, np.ones_like(places, dtype=bool), interval.jump * window.stride)


def transposed(interval: FieldInterval, window: Window, units: int) -> FieldInterval:
    """What the outputs of a transposed convolution see: o takes input i where o = i·stride − padding + t·dilation."""
    taps = np.arange(window.kernel) * window.dilation
    offsets = np.arange(units)[:, None] + window.padding - taps
    places, rest = np.divmod(offsets, window.stride)
    return _looked_at(interval, places, rest == 0, interval.jump / window.stride)


def select(interval: FieldInterval, places: Sequence[Sequence[int]], jump: float) -> FieldInterval:
    """What units see of which each looks at the given inputs; places outside the tensor are padding."""
    longest = max(len(each) for each in places)
    table = np.array([[*each, *[each[-1]] * (longest - len(each))] for each in places])
    return _looked_at(interval, table, np.ones_like(table, dtype=bool), jump)


def _looked_at(
    interval: FieldInterval, places: NDArray[Any], used: NDArray[Any], jump: float
) -> FieldInterval:
    """`places` is units×taps; `used` says which of the taps there are."""
    if interval.dim is None:
        return replace(interval, jump=jump)
    count = len(interval.low)
    inside = np.clip(places, 0, count - 1)
    beyond = (places - inside) * interval.jump  # outside, units go on as they do inside
    valid = used & (places == inside)

    def ends(values: Numbers, where: NDArray[Any], empty: float) -> Numbers:
        return np.where(where, values[inside] + (0 if where is valid else beyond), empty)

    return FieldInterval(
        interval.dim,
        low=ends(interval.low, used, np.inf).min(1),
        high=ends(interval.high, used, -np.inf).max(1),
        first=ends(interval.first, valid, np.inf).min(1),
        last=ends(interval.last, valid, -np.inf).max(1),
        jump=jump,
    )


def united(intervals: Sequence[FieldInterval]) -> FieldInterval:
    """What units see that take from several tensors, unit by unit."""
    dims = {each.dim for each in intervals if each.dim is not None}
    if len(dims) > 1:  # along other dimensions in each: together they see all
        return united([each.hull() for each in intervals])
    return FieldInterval(
        next(iter(dims), None),
        low=_extreme(np.minimum, [each.low for each in intervals]),
        high=_extreme(np.maximum, [each.high for each in intervals]),
        first=_extreme(np.minimum, [each.first for each in intervals]),
        last=_extreme(np.maximum, [each.last for each in intervals]),
        jump=max(each.jump for each in intervals),
    )


def _extreme(choose: Callable[[Numbers, Numbers], Numbers], arrays: Sequence[Numbers]) -> Numbers:
    result = arrays[0]
    for each in arrays[1:]:
        result = choose(result, each)
    return result


def join(intervals: Sequence[FieldInterval]) -> FieldInterval:
    """The units of several tensors, one after the other."""
    return FieldInterval(
        intervals[0].dim,
        low=np.concatenate([each.low for each in intervals]),
        high=np.concatenate([each.high for each in intervals]),
        first=np.concatenate([each.first for each in intervals]),
        last=np.concatenate([each.last for each in intervals]),
        jump=max(each.jump for each in intervals),
    )


FieldIntervals = tuple[FieldInterval, ...]
"""One for each axis of the image."""


@dataclass(frozen=True)
class Seen:
    """An input of an operation: its shape, and what its units see."""

    shape: tuple[int, ...]
    intervals: FieldIntervals

    @property
    def rank(self) -> int:
        """Dimensions of the tensor."""
        return len(self.shape)
