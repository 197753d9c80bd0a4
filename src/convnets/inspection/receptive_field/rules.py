"""What each kind of operation does to receptive fields: a rule from what its inputs see to what its outputs see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from convnets.inspection.graph.network_graph import GraphNode
from convnets.inspection.graph.operations import POINTWISE
from convnets.inspection.receptive_field.field_interval import FieldIntervals, Seen, united
from convnets.inspection.receptive_field.movement_rules import MOVES, concatenate_rule, move_rule, pad_rule
from convnets.inspection.receptive_field.window_rules import (
    adaptive_rule,
    interpolate_rule,
    numbers,
    unfold_rule,
    unshuffle_rule,
    window_rule,
)

__all__ = ["apply_rule"]


def apply_rule(node: GraphNode, inputs: Sequence[Seen]) -> tuple[list[FieldIntervals], bool]:
    """What each output of `node` sees, and whether that is exact; otherwise it is at most that."""
    plain = re.sub(r"_?[123]d$", "", node.function)
    rule = _RULES.get(plain)
    if plain in POINTWISE or node.function in POINTWISE:
        rule = _pointwise
    elif plain.endswith("pool"):
        rule = adaptive_rule if plain.startswith("adaptive") else window_rule
    found = rule(node, inputs) if rule is not None else None
    if found is None:
        seen = [each.intervals for each in inputs]
        everything = tuple(united([interval.hull() for interval in axis]) for axis in zip(*seen, strict=True))
        return [everything] * len(node.shapes), plain in _MIXES_ALL and not node.setting("is_causal")
    return found, True


def _pointwise(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals]:
    """Each unit sees what its own place sees in every input, broadcast as PyTorch does."""
    rank = len(node.shapes[0])
    spread = []
    for seen in inputs:
        moved = []
        for interval in seen.intervals:
            dim = None if interval.dim is None else interval.dim + rank - seen.rank
            alone = dim is not None and seen.shape[interval.dim or 0] == 1 != node.shapes[0][dim]
            moved.append(replace(interval, dim=None if alone else dim))
        spread.append(moved)
    joined = tuple(united(list(axis)) for axis in zip(*spread, strict=True))
    return [joined] * len(node.shapes)


def _linear(_: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """A product over the last dimension."""
    if len(inputs) != 1:
        return None
    seen = inputs[0]
    return [tuple(each.hull() if each.dim == seen.rank - 1 else each for each in seen.intervals)]


def _normalized(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Norms and softmax: units along what they average over see all of it."""
    seen = inputs[0]
    if node.function == "instance_norm" and not node.setting("use_input_stats", True):
        return [seen.intervals]
    if node.function in ("layer_norm", "rms_norm"):
        over = set(range(seen.rank - len(node.setting("normalized_shape", ())), seen.rank))
    elif node.function in ("group_norm", "instance_norm"):
        over = set(range(1, seen.rank))
    else:
        dim = node.setting("dim", 1 if node.function == "normalize" else -1)
        over = {each % seen.rank for each in numbers(-1 if dim is None else dim, 1)}
    return [tuple(each.hull() if each.dim in over else each for each in seen.intervals)]


def _reduced(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Mean, sum and the like over some dimensions."""
    seen = inputs[0]
    if len(inputs) > 1:  # max(x, y)
        return _pointwise(node, inputs)
    dim, keep = node.setting("dim"), bool(node.setting("keepdim"))
    over = {each % seen.rank for each in (range(seen.rank) if dim is None else numbers(dim, 1))}
    result = []
    for interval in seen.intervals:
        if interval.dim is None or interval.dim in over:
            result.append(interval.hull())
        else:
            gone = 0 if keep else sum(each < interval.dim for each in over)
            result.append(replace(interval, dim=interval.dim - gone))
    return [tuple(result)] * len(node.shapes)


def _cumulated(node: GraphNode, inputs: Sequence[Seen]) -> list[FieldIntervals] | None:
    """Running sums, products and extremes: each unit sees all up to its own place."""
    seen, dim = inputs[0], node.setting("dim", node.setting("argument1"))
    if dim is None:
        return None
    result = []
    for interval in seen.intervals:
        if interval.dim == dim % seen.rank:
            interval = replace(
                interval,
                low=np.minimum.accumulate(interval.low),
                high=np.maximum.accumulate(interval.high),
                first=np.minimum.accumulate(interval.first),
                last=np.maximum.accumulate(interval.last),
            )
        result.append(interval)
    return [tuple(result)] * len(node.shapes)


_RULES: dict[str, Callable[[GraphNode, Sequence[Seen]], list[FieldIntervals] | None]] = {
    **dict.fromkeys(("conv", "conv_transpose", "convolution"), window_rule),
    "interpolate": interpolate_rule,
    "upsample": interpolate_rule,
    **dict.fromkeys(("linear", "matmul"), _linear),
    **dict.fromkeys(
        ("layer_norm", "rms_norm", "group_norm", "instance_norm", "normalize", "softmax", "log_softmax", "softmin"),
        _normalized,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "logsumexp"), _reduced),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), concatenate_rule),
    "pad": pad_rule,
    "unfold": unfold_rule,
    "pixel_unshuffle": unshuffle_rule,
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"), _cumulated),
    **dict.fromkeys(MOVES, move_rule),
}  # fmt: skip
_MIXES_ALL = frozenset({"multi_head_attention_forward", "scaled_dot_product_attention"})
