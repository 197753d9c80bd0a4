"""What each kind of operation does to receptive fields: a rule from the reaches of its inputs to those of its outputs.

A tensor's reaches are one `Reach` per axis of the image. Rules for what only moves units about (views, slices,
permutations) come from running the very operation on a tensor of numbered places.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.inspection.graph import GraphNode, Shape
from convnets.inspection.operations import POINTWISE
from convnets.inspection.reach import Reach, Window, join, select, transposed, united, windowed

__all__ = ["Reaches", "Seen", "apply_rule"]

Reaches = tuple[Reach, ...]
"""One for each axis of the image."""


@dataclass(frozen=True)
class Seen:
    """An input of an operation: its shape, and what its units see."""

    shape: Shape
    reaches: Reaches

    @property
    def rank(self) -> int:
        """Dimensions of the tensor."""
        return len(self.shape)


def apply_rule(node: GraphNode, inputs: Sequence[Seen]) -> tuple[list[Reaches], bool]:
    """What each output of `node` sees, and whether that is exact; otherwise it is at most that."""
    plain = re.sub(r"_?[123]d$", "", node.function)
    rule = _RULES.get(plain)
    if plain in POINTWISE or node.function in POINTWISE:
        rule = _pointwise
    elif plain.endswith("pool"):
        rule = _adaptive if plain.startswith("adaptive") else _window
    found = rule(node, inputs) if rule is not None else None
    if found is None:
        seen = [each.reaches for each in inputs]
        everything = tuple(united([reach.hull() for reach in axis]) for axis in zip(*seen, strict=True))
        return [everything] * len(node.shapes), plain in _MIXES_ALL
    return found, True


def _numbers(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) * (count if len(value) == 1 else 1) if isinstance(value, tuple) else (value,) * count


def _padding(node: GraphNode, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    given = node.setting("padding", 0)
    if given == "valid":
        return (0,) * len(kernel)
    if given == "same":  # the odd one of an even kernel goes to the far side
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return _numbers(given, len(kernel))


def _window(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """Convolutions, transposed ones and pooling, over the last dimensions."""
    digit = re.search(r"([123])d", node.function)
    kernel_size = node.setting("kernel_size")
    if digit is None or kernel_size is None:
        return None
    count, seen = int(digit[1]), inputs[0]
    kernel = _numbers(kernel_size, count)
    dilation = _numbers(node.setting("dilation", 1), count)
    pools = node.family == "pooling"
    stride = _numbers(node.setting("stride") or (kernel if pools else 1), count)
    padding = _padding(node, kernel, dilation)
    slide = transposed if "transpose" in node.function else windowed
    result = []
    for reach in seen.reaches:
        axis = -1 if reach.dim is None else reach.dim - (seen.rank - count)
        if axis >= 0:
            window = Window(kernel[axis], stride[axis], padding[axis], dilation[axis])
            result.append(slide(reach, window, node.shapes[0][len(node.shapes[0]) - count + axis]))
        else:  # along the channels, which a convolution adds up
            result.append(reach.hull() if axis == -1 and reach.dim is not None and not pools else reach)
    return [tuple(result)] * len(node.shapes)


def _adaptive(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches]:
    """Adaptive pooling: output o of m takes inputs floor(o·n/m) to ceil((o+1)·n/m) − 1."""

    def places(size: int, units: int) -> list[list[int]]:
        return [list(range(o * size // units, -(-(o + 1) * size // units))) for o in range(units)]

    return [_resampled(inputs[0], node.shapes[0], places)] * len(node.shapes)


def _interpolate(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    mode, aligned = node.setting("mode", "nearest"), bool(node.setting("align_corners"))
    factor = node.setting("scale_factor")
    if node.setting("antialias") or mode not in (
        "nearest",
        "nearest-exact",
        "linear",
        "bilinear",
        "trilinear",
    ):
        return _adaptive(node, inputs) if mode == "area" else None
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


def _resampled(seen: Seen, shape: Shape, places: Callable[[int, int], list[list[int]]]) -> Reaches:
    """Axes whose sides change look at the inputs that `places(size, units)` lists for each of their units."""
    result = []
    for reach in seen.reaches:
        if reach.dim is None or seen.shape[reach.dim] == shape[reach.dim]:
            result.append(reach)
        else:
            size, units = seen.shape[reach.dim], shape[reach.dim]
            result.append(select(reach, places(size, units), reach.jump * size / units))
    return tuple(result)


def _pointwise(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches]:
    """Each unit sees what its own place sees in every input, broadcast as PyTorch does."""
    rank = len(node.shapes[0])
    spread = []
    for seen in inputs:
        moved = []
        for reach in seen.reaches:
            dim = None if reach.dim is None else reach.dim + rank - seen.rank
            alone = dim is not None and seen.shape[reach.dim or 0] == 1 != node.shapes[0][dim]
            moved.append(replace(reach, dim=None if alone else dim))
        spread.append(moved)
    joined = tuple(united(list(axis)) for axis in zip(*spread, strict=True))
    return [joined] * len(node.shapes)


def _linear(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """A product over the last dimension."""
    if len(inputs) != 1:
        return None
    seen = inputs[0]
    return [tuple(each.hull() if each.dim == seen.rank - 1 else each for each in seen.reaches)]


def _normalised(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """Norms and softmax: units along what they average over see all of it."""
    seen = inputs[0]
    if node.function == "instance_norm" and not node.setting("use_input_stats", True):
        return [seen.reaches]
    if node.function in ("layer_norm", "rms_norm"):
        over = set(range(seen.rank - len(node.setting("normalized_shape", ())), seen.rank))
    elif node.function in ("group_norm", "instance_norm"):
        over = set(range(1, seen.rank))
    else:
        dim = node.setting("dim", 1 if node.function == "normalize" else -1)
        over = {each % seen.rank for each in _numbers(-1 if dim is None else dim, 1)}
    return [tuple(each.hull() if each.dim in over else each for each in seen.reaches)]


def _reduced(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """Mean, sum and the like over some dimensions."""
    seen = inputs[0]
    if len(inputs) > 1:  # max(x, y)
        return _pointwise(node, inputs)
    dim, keep = node.setting("dim"), bool(node.setting("keepdim"))
    over = {each % seen.rank for each in (range(seen.rank) if dim is None else _numbers(dim, 1))}
    result = []
    for reach in seen.reaches:
        if reach.dim is None or reach.dim in over:
            result.append(reach.hull())
        else:
            gone = 0 if keep else sum(each < reach.dim for each in over)
            result.append(replace(reach, dim=reach.dim - gone))
    return [tuple(result)] * len(node.shapes)


def _concatenated(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    rank = len(node.shapes[0])
    dim = node.setting("dim", 0) % rank
    if node.function == "stack":
        moved = [tuple(_shifted(each, dim) for each in seen.reaches) for seen in inputs]
        return [tuple(united(list(axis)) for axis in zip(*moved, strict=True))]
    result = []
    for axis in zip(*(seen.reaches for seen in inputs), strict=True):
        if any(each.dim == dim for each in axis):
            if sum(seen.shape[dim] for seen in inputs) != node.shapes[0][dim]:
                return None  # a constant is among what is joined
            result.append(
                join([_along(each, dim, seen.shape[dim]) for each, seen in zip(axis, inputs, strict=True)])
            )
        else:
            result.append(united(list(axis)))
    return [tuple(result)]


def _shifted(reach: Reach, dim: int) -> Reach:
    return reach if reach.dim is None or reach.dim < dim else replace(reach, dim=reach.dim + 1)


def _along(reach: Reach, dim: int, size: int) -> Reach:
    """The reach with an entry for each of the `size` units along `dim`."""
    return reach if reach.dim == dim else reach.hull().map(lambda ends: ends.repeat(size), dim=dim)


def _padded(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """Padding and cropping: `pad` lists (before, after) from the last dimension backwards."""
    seen, pad, mode = inputs[0], node.setting("pad"), node.setting("mode", "constant")
    if pad is None:
        return None
    result = []
    for reach in seen.reaches:
        place = None if reach.dim is None else 2 * (seen.rank - 1 - reach.dim)
        if place is None or place >= len(pad) or reach.dim is None:
            result.append(reach)
            continue
        size, before = seen.shape[reach.dim], pad[place]
        units = node.shapes[0][reach.dim]
        moved = windowed(reach, Window(1, 1, before), units)
        if mode != "constant":  # the border shows pixels again
            row = torch.arange(size, dtype=torch.float64)[None, None]
            copied = [int(each) for each in F.pad(row, pad[place : place + 2], mode=mode)[0, 0]]
            shown = select(reach, [[each] for each in copied], reach.jump)
            moved = replace(moved, first=shown.first, last=shown.last)
        result.append(moved)
    return [tuple(result)]


def _rearranged(node: GraphNode, inputs: Sequence[Seen]) -> list[Reaches] | None:
    """Views, slices, permutations: where each unit came from, found by moving numbered places the same way."""
    seen = inputs[0]
    results: list[list[Reach]] = [[] for _ in node.shapes]
    for reach in seen.reaches:
        if reach.dim is None:
            moved: list[Reach | None] = [reach] * len(node.shapes)
        else:
            form = [1] * seen.rank
            form[reach.dim] = -1
            places = torch.arange(seen.shape[reach.dim]).view(form).expand(seen.shape)
            moved = [_found(reach, each) for each in _move(node, places)]
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
    if node.function in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"):
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


def _found(reach: Reach, places: Tensor) -> Reach | None:
    """The reach of moved units; None where they differ along several dimensions at once."""
    for dim in range(places.ndim):
        others = tuple(slice(None) if each == dim else slice(0, 1) for each in range(places.ndim))
        line = places[others]
        if torch.equal(line.expand_as(places), places):
            chosen = line.flatten().numpy()
            steps = set((chosen[1:] - chosen[:-1]).tolist())
            jump = reach.jump * (abs(steps.pop()) or 1) if len(steps) == 1 else reach.jump
            return reach.map(lambda ends: ends[chosen], dim=dim, jump=jump)
    return None


_RULES: dict[str, Callable[[GraphNode, Sequence[Seen]], list[Reaches] | None]] = {
    **dict.fromkeys(("conv", "conv_transpose", "convolution"), _window),
    "interpolate": _interpolate,
    "upsample": _interpolate,
    **dict.fromkeys(("linear", "matmul"), _linear),
    **dict.fromkeys(
        ("layer_norm", "rms_norm", "group_norm", "instance_norm", "normalize", "softmax", "log_softmax", "softmin"),
        _normalised,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "logsumexp"), _reduced),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack"), _concatenated),
    "pad": _padded,
    **dict.fromkeys(
        """flatten unflatten view reshape permute transpose swapaxes swapdims movedim squeeze unsqueeze chunk split
        tensor_split getitem narrow select flip roll expand expand_as repeat pixel_shuffle pixel_unshuffle
        channel_shuffle t mt""".split(),
        _rearranged,
    ),
}  # fmt: skip
_MIXES_ALL = frozenset({"multi_head_attention_forward", "scaled_dot_product_attention", "lstm", "gru"})
