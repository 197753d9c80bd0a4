"""Rules of receptive fields for what only moves units about: padding, views, slices, permutations, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.inspection.graph.network_graph import GraphNode
from convnets.inspection.receptive_field.field_interval import (
    FieldInterval,
    FieldIntervals,
    Seen,
    Window,
    join,
    select,
    united,
    windowed,
)

__all__ = ["MOVES", "concatenate_rule", "move_rule", "pad_rule"]

MOVES = (
    *(
        "flatten",
        "unflatten",
        "view",
        "reshape",
        "permute",
        "transpose",
        "swapaxes",
        "swapdims",
        "movedim",
        "t",
        "mt",
    ),
    *(
        "squeeze",
        "unsqueeze",
        "chunk",
        "split",
        "tensor_split",
        "getitem",
        "narrow",
        "select",
        "flip",
        "roll",
    ),
    *("expand", "expand_as", "repeat", "pixel_shuffle", "channel_shuffle"),
)


def concatenate_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    rank = len(node.shapes[0])
    dim = node.setting("dim", 0) % rank
    if node.function == "stack":
        moved = [tuple(_shifted(each, dim) for each in seen.intervals) for seen in inputs]
        return [tuple(united(list(axis)) for axis in zip(*moved, strict=True))]
    result = []
    for axis in zip(*(seen.intervals for seen in inputs), strict=True):
        if any(each.dim == dim for each in axis):
            if sum(seen.shape[dim] for seen in inputs) != node.shapes[0][dim]:
                return None  # a constant is among what is joined
            result.append(
                join([_along(each, dim, seen.shape[dim]) for each, seen in zip(axis, inputs, strict=True)])
            )
        else:
            result.append(united(list(axis)))
    return [tuple(result)]


def _shifted(interval: FieldInterval, dim: int) -> FieldInterval:
    return interval if interval.dim is None or interval.dim < dim else replace(interval, dim=interval.dim + 1)


def _along(interval: FieldInterval, dim: int, size: int) -> FieldInterval:
    """The interval with an entry for each of the `size` units along `dim`."""
    return (
        interval
        if interval.dim == dim
        else replace(interval.hull().map(lambda ends: ends.repeat(size)), dim=dim)
    )


def pad_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Padding and cropping: `pad` lists (before, after) from the last dimension backwards."""
    seen, pad, mode = inputs[0], node.setting("pad"), node.setting("mode", "constant")
    if pad is None:
        return None
    result = []
    for interval in seen.intervals:
        place = None if interval.dim is None else 2 * (seen.rank - 1 - interval.dim)
        if place is None or place >= len(pad) or interval.dim is None:
            result.append(interval)
            continue
        size, before = seen.shape[interval.dim], pad[place]
        units = node.shapes[0][interval.dim]
        moved = windowed(interval, Window(1, 1, before), units)
        if mode != "constant":  # the border shows pixels again
            row = torch.arange(size, dtype=torch.float64, device="cpu")[None, None]
            copied = [int(each) for each in F.pad(row, pad[place : place + 2], mode=mode)[0, 0]]
            shown = select(interval, [[each] for each in copied], interval.jump)
            moved = replace(moved, first=shown.first, last=shown.last)
        result.append(moved)
    return [tuple(result)]


def move_rule(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Views, slices, permutations: where each unit came from, found by moving numbered places the same way."""
    seen = inputs[0]
    results: list[list[FieldInterval]] = [[] for _ in node.shapes]
    for interval in seen.intervals:
        if interval.dim is None:
            moved: list[FieldInterval | None] = [interval] * len(node.shapes)
        else:
            form = [1] * seen.rank
            form[interval.dim] = -1
            places = torch.arange(seen.shape[interval.dim], device="cpu").view(form).expand(seen.shape)
            moved = [_found(interval, each) for each in _move(node, places)]
        for result, each in zip(results, moved, strict=True):
            if each is None:
                return None
            result.append(each)
    return [tuple(result) for result in results]


def _move(node: GraphNode, places: Tensor) -> tuple[Tensor, ...]:
    settings = {name: _as_index(value) for name, value in node.settings}
    if node.function in ("view", "reshape", "flatten", "unflatten"):
        return (places.reshape(node.shapes[0]),)
    if node.function in ("expand", "expand_as"):
        return (places.expand(node.shapes[0]),)
    if node.function == "getitem":
        return (places[settings["index"]],)
    if node.function in ("pixel_shuffle", "channel_shuffle"):
        function = getattr(F, node.function)
        return (function(places.double(), *settings.values()).long(),)
    if node.function in ("t", "mt"):
        return (places.mT,)
    moved = getattr(places, node.function)(*settings.values())
    return tuple(moved) if isinstance(moved, tuple | list) else (moved,)


def _as_index(value: Any) -> Any:
    """Back from the plain values of a record: slices and `...`."""
    if isinstance(value, tuple):
        return slice(*value[1:]) if value[:1] == ("slice",) else tuple(_as_index(each) for each in value)
    return Ellipsis if value == "..." else value


def _found(interval: FieldInterval, places: Tensor) -> FieldInterval | None:
    """The interval of moved units; None where they differ along several dimensions at once."""
    for dim in range(places.ndim):
        others = tuple(slice(None) if each == dim else slice(0, 1) for each in range(places.ndim))
        line = places[others]
        if torch.equal(line.expand_as(places), places):
            chosen = line.flatten().numpy()
            steps = set((chosen[1:] - chosen[:-1]).tolist())
            jump = interval.jump * (abs(steps.pop()) or 1) if len(steps) == 1 else interval.jump
            return replace(interval.map(partial(np.take, indices=chosen)), dim=dim, jump=jump)
    return None
