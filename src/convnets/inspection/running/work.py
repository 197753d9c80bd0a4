"""Work: what one PyTorch operator computes, counted from the shapes that go in and come out.

Multiply-accumulates (MACs) of convolutions and matrix products are the headline. Everything beside them is counted
in operations (one addition, multiplication, comparison or function value each) and kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["NOTHING", "Work", "operator_name", "work_of"]


@dataclass(frozen=True)
class Work:
    """Work by kind, for the whole batch that was given."""

    macs: int = 0
    """Multiply-accumulates of convolutions and matrix products, padding included."""
    bias: int = 0
    """Additions of a bias: one for each number of the output."""
    norm: int = 0
    """Operations of normalization layers."""
    pooling: int = 0
    """Operations of pooling layers."""
    elementwise: int = 0
    """Operations of activations, additions, softmax, reductions and the like."""

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Work)))

    @property
    def beside(self) -> int:
        """All operations that are not MACs."""
        return self.bias + self.norm + self.pooling + self.elementwise

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and matrix products: 2 for each MAC."""
        return 2 * self.macs


NOTHING = Work()

Rule = Callable[[Sequence[Any], Tensor], Work]


def operator_name(operator: Any) -> str:
    """Name without namespace, overload and the underscore of in-place versions.

    >>> operator_name(torch.ops.aten.add_.Tensor)
    'add'
    """
    name: str = operator._schema.name.partition("::")[2]
    return name.removesuffix("_")


def work_of(operator: Any, args: Sequence[Any], out: Any) -> Work | None:
    """The work of one call of an ATen operator; None where no rule says how much it is.

    `args` are its positional arguments and `out` what it returned; only shapes are looked at, so that tensors of
    the meta device will do. Operators that only move, fill or rename numbers are no work.

    >>> a, b = torch.empty(3, 4, device="meta"), torch.empty(4, 5, device="meta")
    >>> work_of(torch.ops.aten.mm.default, (a, b), a @ b).macs
    60
    """
    name = operator_name(operator)
    tensors = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
    if name in _RULES and tensors:
        return _RULES[name](args, tensors[0])
    if name in _MOVES or operator.is_view or not tensors:
        return NOTHING
    if not any(isinstance(each, Tensor) for each in tree_leaves(list(args))):
        return NOTHING  # made from nothing, as zeros and arange are
    if torch.Tag.pointwise in operator.tags:
        return Work(elementwise=tensors[0].numel())
    return None


def _convolution(args: Sequence[Any], out: Tensor) -> Work:
    x, weight, bias, transposed = args[0], args[1], args[2], args[6]
    # each weight is used once for every place: of the output, or of the input where the convolution is transposed
    places = (x if transposed else out).shape
    return Work(
        macs=places[0] * math.prod(places[2:]) * weight.numel(), bias=0 if bias is None else out.numel()
    )


def _product(first: int, second: int, biased: bool = False) -> Rule:
    """A matrix product of args[first], …×n×m, and args[second], whose last axis is p where it has two."""

    def rule(args: Sequence[Any], out: Tensor) -> Work:
        left, right = args[first], args[second]
        columns = right.shape[-1] if right.ndim > 1 else 1
        return Work(macs=left.numel() * columns, bias=out.numel() if biased else 0)

    return rule


def _linear(args: Sequence[Any], out: Tensor) -> Work:
    biased = len(args) > 2 and args[2] is not None
    return Work(macs=out.numel() * args[1].shape[-1], bias=out.numel() if biased else 0)


def _attention(args: Sequence[Any], _: Tensor) -> Work:
    """softmax(q·kᵀ)·v for q …×L×E, k …×S×E, v …×S×V; the scaling and a softmax of L×S numbers beside."""
    query, key, value = args[:3]
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return Work(macs=scores * (query.shape[-1] + value.shape[-1]), elementwise=(1 + _SOFTMAX) * scores)


def _fixed_or_measured(training: int, weight: int) -> Rule:
    def rule(args: Sequence[Any], out: Tensor) -> Work:
        measured = training < 0 or bool(args[training])
        if not measured:
            return Work(norm=2 * out.numel())
        return Work(norm=(6 if args[weight] is None else 8) * out.numel())

    return rule


def _window(kernel: int, dimensions: int, each: int) -> Rule:
    """Pooling by windows of args[kernel], with as many operations as it has places, plus `each`, for an output."""

    def rule(args: Sequence[Any], out: Tensor) -> Work:
        sides = args[kernel] if isinstance(args[kernel], Sequence) else [args[kernel]]
        places = math.prod(sides) if len(sides) == dimensions else sides[0] ** dimensions
        return Work(pooling=(places + each) * out.numel())

    return rule


def _adaptive(dimensions: int, each: int) -> Rule:
    """Window i of an axis goes from ⌊i·in/out⌋ to ⌈(i + 1)·in/out⌉."""

    def rule(args: Sequence[Any], out: Tensor) -> Work:
        places = out.numel() // math.prod(out.shape[-dimensions:])
        for size, count in zip(args[0].shape[-dimensions:], out.shape[-dimensions:], strict=True):
            places *= sum(-(-(i + 1) * size // count) - i * size // count for i in range(count))
        return Work(pooling=places + each * out.numel())

    return rule


def _per_output(operations: int) -> Rule:
    return lambda _, out: Work(elementwise=operations * out.numel())


def _per_input(operations: int) -> Rule:
    return lambda args, _: Work(elementwise=operations * _count(args[0]))


def _count(given: Any) -> int:
    return sum(each.numel() for each in tree_leaves(given) if isinstance(each, Tensor))


_SOFTMAX = 5  # maximum, difference, exponential, sum, division
_RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mm": _product(0, 1),
    "bmm": _product(0, 1),
    "mv": _product(0, 1),
    "dot": _product(0, 1),
    "vdot": _product(0, 1),
    "addmm": _product(1, 2, biased=True),
    "baddbmm": _product(1, 2, biased=True),
    "addbmm": _product(1, 2, biased=True),
    "addmv": _product(1, 2, biased=True),
    "linear": _linear,
    **{
        f"_scaled_dot_product_{kind}": _attention
        for kind in (
            "flash_attention",
            "flash_attention_for_cpu",
            "efficient_attention",
            "cudnn_attention",
            "fused_attention_overrideable",
        )
    },
    "native_batch_norm": _fixed_or_measured(5, 1),
    "cudnn_batch_norm": _fixed_or_measured(5, 1),
    "miopen_batch_norm": _fixed_or_measured(5, 1),
    "_native_batch_norm_legit": _fixed_or_measured(5, 1),
    "_native_batch_norm_legit_no_training": lambda _, out: Work(norm=2 * out.numel()),
    "_batch_norm_no_update": lambda _, out: Work(norm=2 * out.numel()),
    "_batch_norm_with_update": _fixed_or_measured(-1, 1),
    "native_layer_norm": _fixed_or_measured(-1, 2),
    "native_group_norm": _fixed_or_measured(-1, 1),
    "max_pool1d": _window(1, 1, -1),
    "max_pool2d": _window(1, 2, -1),
    "max_pool2d_with_indices": _window(1, 2, -1),
    "max_pool3d_with_indices": _window(1, 3, -1),
    "avg_pool1d": _window(1, 1, 0),
    "avg_pool2d": _window(1, 2, 0),
    "avg_pool3d": _window(1, 3, 0),
    "fractional_max_pool2d": _window(1, 2, -1),
    "fractional_max_pool3d": _window(1, 3, -1),
    "_adaptive_avg_pool2d": _adaptive(2, 0),
    "_adaptive_avg_pool3d": _adaptive(3, 0),
    "adaptive_max_pool2d": _adaptive(2, -1),
    "adaptive_max_pool3d": _adaptive(3, -1),
    "_softmax": _per_output(_SOFTMAX),
    "_log_softmax": _per_output(_SOFTMAX),
    "_safe_softmax": _per_output(_SOFTMAX),
    # one operation for each number, though no tag of PyTorch's says so
    **dict.fromkeys(
        ("hardswish", "_prelu_kernel", "glu", "rrelu_with_noise", "log_sigmoid_forward", "addr", "dropout"),
        _per_output(1),
    ),
    "native_dropout": _per_output(1),
    **dict.fromkeys(
        ("sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "aminmax"), _per_input(1)
    ),
    **dict.fromkeys(("cumsum", "cumprod", "any", "all", "nansum"), _per_input(1)),
    **dict.fromkeys(("norm", "linalg_vector_norm"), _per_input(2)),
    **dict.fromkeys(("logsumexp", "_logcumsumexp"), _per_input(4)),
    **dict.fromkeys(("var", "var_mean", "std", "std_mean"), _per_input(4)),
}
# what only moves, fills, draws or renames numbers
_MOVING = """
clone _to_copy copy lift_fresh lift_fresh_copy detach alias _unsafe_view _reshape_alias _reshape_copy
contiguous resize set cat stack unsafe_split unsafe_chunk unsafe_split_with_sizes split split_with_sizes
index index_select index_put _unsafe_index gather scatter slice_scatter select_scatter take masked_select
embedding nonzero where repeat repeat_interleave roll flip constant_pad_nd reflection_pad1d
reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d im2col
pixel_shuffle pixel_unshuffle channel_shuffle max_unpool2d max_unpool3d upsample_nearest1d
upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d tril triu diag_embed diagonal_scatter zero fill masked_fill empty_like
zeros_like ones_like full_like rand_like randn_like new_empty new_empty_strided new_zeros new_ones
new_full bernoulli uniform normal random exponential one_hot
"""
_MOVES = frozenset(_MOVING.split())
