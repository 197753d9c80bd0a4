"""Series bodies: the series of a request. N series, C channels, L steps.

- `application/json`: `{"series": […]}` with series as C lists of L numbers, a list where there is one channel, or an
  object of channels by name; or `{"rows": [{"CHANNEL": 0.5, …}, …]}`, the steps of a long series
- `text/csv`: the steps of a long series, channels by name
- `application/x-npy`: N×C×L or N×L, as `numpy.save` writes it

Of a long series every window is answered, as `predict` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_set import SeriesSet
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal
from convnets.serving.http.rows.cells import numbers_from
from convnets.serving.http.rows.row_bodies import cells_of, check_count, json_of
from convnets.serving.http.tensors import SentTensor, npy_array

__all__ = ["SERIES_FORMS", "series_of_body", "series_of_tensor"]

SERIES_FORMS = ("application/json", "text/csv", "application/x-npy")
_SOURCE = "the request"


def series_of_body(encoder: SeriesEncoder, kind: str, body: bytes, limits: Limits) -> SeriesSet:
    """The series of a body of that content type; takes a while, so call it in a thread.

    Raises Refusal 413, 415 or 422.
    """
    if kind == "application/x-npy":
        return _of_array(encoder, npy_array(body), limits)
    if kind == "application/json":
        given = json_of(body, 'send {"series": [[number, …], …]}')
        series = given.get("series") if isinstance(given, dict) else None
        if isinstance(series, list):
            return _of_lists(encoder, series, limits)
        if encoder.options is None or encoder.options.window is None:
            raise Refusal(422, 'the body has no list named series; send {"series": [[number, …], …]}')
    elif kind != "text/csv" or encoder.options is None or encoder.options.window is None:
        allowed = SERIES_FORMS if encoder.options and encoder.options.window else SERIES_FORMS[::2]
        raise Refusal(415, f"content type {kind[:60]!r}; allowed: {', '.join(allowed)}")
    return _of_steps(encoder, kind, body, limits)


def series_of_tensor(encoder: SeriesEncoder, inputs: Sequence[SentTensor], limits: Limits) -> SeriesSet:
    """The series of the Open Inference Protocol's one input. Raises Refusal 413 or 422."""
    if len(inputs) != 1:
        raise Refusal(422, "the request has not exactly one input; send one named series, N×C×L")
    return _of_array(encoder, inputs[0].array(), limits)


def _of_array(encoder: SeriesEncoder, array: NDArray[Any], limits: Limits) -> SeriesSet:
    shape = (len(encoder.channels), encoder.length)
    if array.dtype.kind not in "biuf":
        raise Refusal(422, f"the array holds {array.dtype}; allowed: numbers")
    found = array[:, None] if array.ndim == 2 and shape[0] == 1 else array
    if found.ndim != 3 or found.shape[1:] != shape:
        raise Refusal(
            422,
            f"the array has shape {array.shape}; the model takes N×{shape[0]}×{shape[1]}, channels × steps",
        )
    check_count(len(found), limits, "series", 1)
    values = found if found.dtype in (np.float32, np.float64) else found.astype(np.float64)
    if np.isinf(values).any():
        raise Refusal(
            422, "the array holds an infinite number; allowed: finite ones, NaN where one is missing"
        )
    return SeriesSet(np.ascontiguousarray(values), encoder.channels, (), _SOURCE, encoder.length)


def _of_lists(encoder: SeriesEncoder, series: list[Any], limits: Limits) -> SeriesSet:
    check_count(len(series), limits, "series", 1)
    values = np.stack([_one(encoder, place, each) for place, each in enumerate(series, 1)])
    return SeriesSet(values, encoder.channels, (), _SOURCE, encoder.length)


def _one(encoder: SeriesEncoder, place: int, given: Any) -> NDArray[np.float64]:
    """float64 C×L of one series."""
    channels, length = encoder.channels, encoder.length
    if isinstance(given, dict):
        lacking = [name for name in channels if name not in given]
        if lacking:
            raise Refusal(
                422, f"series {place} lacks the channel {lacking[0]!r}; it needs: {', '.join(channels)[:100]}"
            )
        given = [given[name] for name in channels]
    elif isinstance(given, list) and len(channels) == 1 and not any(isinstance(each, list) for each in given):
        given = [given]
    if not isinstance(given, list) or len(given) != len(channels):
        raise Refusal(
            422, f"series {place} has not {len(channels)} channels; send a list of numbers for each"
        )
    for name, steps in zip(channels, given, strict=True):
        if not isinstance(steps, list) or len(steps) != length:
            found = f"{len(steps):,} steps" if isinstance(steps, list) else "no list of steps"
            raise Refusal(422, f"series {place}, channel {name!r}: {found}; the model takes {length:,}")
    try:
        return np.stack([numbers_from(name, steps) for name, steps in zip(channels, given, strict=True)])
    except Refusal as refusal:
        raise Refusal(422, f"series {place}, {refusal.line.replace('row', 'step', 1)}") from None


def _of_steps(encoder: SeriesEncoder, kind: str, body: bytes, limits: Limits) -> SeriesSet:
    assert encoder.options is not None
    cells = cells_of(kind, body, encoder.channels, encoder.options.notation, limits)
    values = np.stack([numbers_from(name, cells.columns[name], cells.notation) for name in encoder.channels])
    if cells.count < encoder.length:
        raise Refusal(422, f"{cells.count:,} steps are fewer than a window of {encoder.length:,}; send more")
    rows = np.arange(0, cells.count - encoder.length + 1, encoder.options.stride)
    check_count(len(rows), limits, "series", 1)
    return SeriesSet(values, encoder.channels, (), _SOURCE, encoder.length, rows)
