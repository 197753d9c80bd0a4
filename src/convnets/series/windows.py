"""Windows of a long series, and what comes after each. C channels, T steps, L of a window, h ahead."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from convnets.errors import DataError
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.tables.table_set import Column

__all__ = ["windows"]


def windows(
    values: NDArray[np.float64],
    channels: tuple[str, ...],
    forecast: Mapping[str, NDArray[np.float64]],
    classes: Column | None,
    bounds: tuple[tuple[int, int], ...],
    options: SeriesOptions,
    source: str,
    notes: tuple[str, ...] = (),
) -> SeriesSet:
    """Windows of `values` C×T within `bounds`: those whose target is known, or all where there is none.

    forecast: the channels to forecast, T numbers of each; classes: a class of each step, of which the one at a
    window's last step is the window's.
    """
    length = options.window or 1
    horizon = options.horizon if forecast else 0
    reach = length + horizon
    starts = [np.arange(begin, end - reach + 1, options.stride) for begin, end in bounds]
    rows = np.concatenate(starts).astype(np.int64)
    if not len(rows):
        longest = max(end - begin for begin, end in bounds)
        ahead = f" and {horizon} more to forecast" if horizon else ""
        raise DataError(
            f"{source}: {longest:,} steps are fewer than a window of {length}{ahead}; give a longer "
            "series or a smaller window"
        )
    places = values.shape[1] - length + 1
    targets = [
        Column(f"{name} +{ahead}", "number", _shifted(series, length - 1 + ahead, places), rows=rows)
        for name, series in forecast.items()
        for ahead in range(1, horizon + 1)
    ]
    if classes is not None:
        codes = classes.values[length - 1 :]
        targets.append(Column(classes.name, "category", codes, classes.categories, rows))
    known = np.ones(len(rows), dtype=bool)
    for column in targets:
        known &= ~column.missing
    if not known.any():
        names = ", ".join(forecast) if classes is None else classes.name
        raise DataError(f"{source}: the target {names} is missing after every window; fill in its cells")
    if not known.all():
        notes = (*notes, f"{int((~known).sum()):,} windows are left out: their target is missing")
    found = SeriesSet(
        np.ascontiguousarray(values),
        channels,
        tuple(targets),
        source,
        length,
        rows,
        horizon,
        options.gap,
        options.period,
        bounds,
        notes,
    )
    return found if known.all() else found.subset(known)


def _shifted(series: NDArray[np.float64], by: int, count: int) -> NDArray[np.float64]:
    """`count` numbers: for each window that `by` steps after its first one; NaN beyond the end."""
    found = np.full(count, np.nan)
    known = series[by : by + count]
    found[: len(known)] = known
    return found
