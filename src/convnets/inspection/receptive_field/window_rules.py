"""Rules of receptive fields for windows: convolutions, pooling, adaptive pooling and interpolation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from convnets.inspection.graph.network_graph import GraphNode, Shape
from convnets.inspection.receptive_field.field_interval import (
    FieldIntervals,
    Seen,
    Window,
    select,
    transposed,
    windowed,
)

__all__ = ["adaptive_rule", "interpolate_rule", "numbers", "unfold_rule", "unshuffle_rule", "window_rule"]


def numbers(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) * (count if len(value) == 1 else 1) if isinstance(value, tuple) else (value,) * count


def _padding(node: GraphNode, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    given = node.setting("padding", 0)
    if given == "valid":
        return (0,) * len(kernel)
    if given == "same":  # the odd one of an even kernel goes to the far side
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return numbers(given, len(kernel))


def window_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Convolutions, transposed ones and pooling, over the last dimensions."""
    digit = re.search(r"([123])d", node.function)
    kernel_size = node.setting("kernel_size")
    if digit is None or kernel_size is None:
        return None
    count, seen = int(digit[1]), inputs[0]
    kernel = numbers(kernel_size, count)
    dilation = numbers(node.setting("dilation", 1), count)
    pools = node.family == "pooling"
    stride = numbers(node.setting("stride") or (kernel if pools else 1), count)
    padding = _padding(node, kernel, dilation)
    slide = transposed if "transpose" in node.function else windowed
    result = []
    for interval in seen.intervals:
        axis = -1 if interval.dim is None else interval.dim - (seen.rank - count)
        if axis >= 0:
            window = Window(kernel[axis], stride[axis], padding[axis], dilation[axis])
            result.append(slide(interval, window, node.shapes[0][len(node.shapes[0]) - count + axis]))
        else:  # along the channels, which a convolution adds up
            result.append(
                interval.hull() if axis == -1 and interval.dim is not None and not pools else interval
            )
    return [tuple(result)] * len(node.shapes)


def unfold_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Windows laid out: by `Tensor.unfold` along one dimension, by `nn.Unfold` along height and width."""
    seen, shape = inputs[0], node.shapes[0]
    if len(shape) == seen.rank + 1:  # recorded by position, under the names of the other
        given = [value for _, value in node.settings]
        if len(given) != 3:
            return None
        dim, size, step = int(given[0]) % seen.rank, int(given[1]), int(given[2])
        return [
            tuple(
                windowed(interval, Window(size, step), shape[dim]) if interval.dim == dim else interval
                for interval in seen.intervals
            )
        ]
    kernel, dilation, padding, stride = (
        numbers(node.setting(name, default), 2)
        for name, default in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1))
    )
    rows, columns = (
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, k, d, p, s in zip(seen.shape[-2:], kernel, dilation, padding, stride, strict=True)
    )
    places = np.arange(rows * columns)
    result = []
    for interval in seen.intervals:
        axis = -1 if interval.dim is None else interval.dim - (seen.rank - 2)
        if axis not in (0, 1):
            return None
        units = (rows, columns)[axis]
        moved = windowed(interval, Window(kernel[axis], stride[axis], padding[axis], dilation[axis]), units)
        line = places // columns if axis == 0 else places % columns
        result.append(replace(moved.map(partial(np.take, indices=line)), dim=len(shape) - 1))
    return [tuple(result)]


def unshuffle_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Pixels of squares that become channels: together, the channels at a place see the square."""
    factor, seen = int(node.setting("factor", 1)), inputs[0]
    return [
        tuple(
            windowed(interval, Window(factor, factor), node.shapes[0][interval.dim])
            if interval.dim is not None and interval.dim >= seen.rank - 2
            else interval
            for interval in seen.intervals
        )
    ]


def adaptive_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals]:
    """Adaptive pooling: output o of m takes inputs floor(o·n/m) to ceil((o+1)·n/m) − 1."""

    def places(size: int, units: int) -> list[list[int]]:
        return [list(range(o * size // units, -(-(o + 1) * size // units))) for o in range(units)]

    return [_resampled(inputs[0], node.shapes[0], places)] * len(node.shapes)


def interpolate_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    mode, aligned = node.setting("mode", "nearest"), bool(node.setting("align_corners"))
    factor = node.setting("scale_factor")
    if node.setting("antialias") or mode not in (
        "nearest",
        "nearest-exact",
        "linear",
        "bilinear",
        "trilinear",
    ):
        return adaptive_rule(node, inputs) if mode == "area" else None
    if isinstance(factor, tuple):
        factor = factor[0] if len(set(factor)) == 1 else None

    def places(size: int, units: int) -> list[list[int]]:
        ratio = 1 / factor if factor else size / units
        if mode.startswith("nearest"):
            half = 0.5 if mode == "nearest-exact" else 0.0
            return [[min(size - 1, math.floor((o + half) * ratio))] for o in range(units)]
        if aligned:
            spots = [o * (size - 1) / max(units - 1, 1) for o in range(units)]
        else:
            spots = [max(0.0, (o + 0.5) * ratio - 0.5) for o in range(units)]
        return [[min(size - 1, math.floor(spot)), min(size - 1, math.ceil(spot))] for spot in spots]

    return [_resampled(inputs[0], node.shapes[0], places)]


def _resampled(seen: Seen, shape: Shape, places: Callable[[int, int], list[list[int]]]) -> FieldIntervals:
    """Axes whose sides change look at the inputs that `places(size, units)` lists for each of their units."""
    result = []
    for interval in seen.intervals:
        if interval.dim is None or seen.shape[interval.dim] == shape[interval.dim]:
            result.append(interval)
        else:
            size, units = seen.shape[interval.dim], shape[interval.dim]
            result.append(select(interval, places(size, units), interval.jump * size / units))
    return tuple(result)
