"""Operations: PyTorch's functions by name, with their arguments' names and what kind of work each of them is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import resolve_name

__all__ = ["FAMILIES", "POINTWISE", "family_of", "function_name", "is_bookkeeping", "settings_of"]

FAMILIES = (
    "input",
    "convolution",
    "linear",
    "attention",
    "recurrent",
    "pooling",
    "normalization",
    "activation",
    "dropout",
    "joining",
    "reshaping",
    "other",
)
"""What an operation is to a reader; the order of a drawing's legend."""

_WINDOW = ("kernel_size", "stride", "padding")
# Names of positional arguments after the tensor that the function works on. In-place forms share their entry.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "conv": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "convolution": (
        "weight",
        "bias",
        "stride",
        "padding",
        "dilation",
        "transposed",
        "output_padding",
        "groups",
    ),
    "conv_transpose": ("weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "max_pool": (*_WINDOW, "dilation", "ceil_mode", "return_indices"),
    "avg_pool": (*_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    "lp_pool": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive_pool": ("output_size", "return_indices"),
    "unfold": ("kernel_size", "dilation", "padding", "stride"),
    "fold": ("output_size", "kernel_size", "dilation", "padding", "stride"),
    "flatten": ("start_dim", "end_dim"),
    "unflatten": ("dim", "sizes"),
    "reduce": ("dim", "keepdim"),
    "join": ("dim",),
    "softmax": ("dim",),
    "transpose": ("dim0", "dim1"),
    "permute": ("dims",),
    "expand": ("sizes",),
    "squeeze": ("dim",),
    "chunk": ("chunks", "dim"),
    "split": ("split_size", "dim"),
    "narrow": ("dim", "start", "length"),
    "select": ("dim", "index"),
    "flip": ("dims",),
    "roll": ("shifts", "dims"),
    "index": ("index",),
    "interpolate": ("size", "scale_factor", "mode", "align_corners"),
    "pad": ("pad", "mode", "value"),
    "pixel_shuffle": ("factor",),
    "dropout": ("p", "training"),
    "layer_norm": ("normalized_shape",),
    "group_norm": ("num_groups",),
    "instance_norm": ("running_mean", "running_var", "weight", "bias", "use_input_stats"),
}
_SAME_ARGUMENTS = {
    "mean": "reduce", "sum": "reduce", "amax": "reduce", "amin": "reduce", "max": "reduce", "min": "reduce",
    "prod": "reduce", "std": "reduce", "var": "reduce", "logsumexp": "reduce", "argmax": "reduce",
    "cat": "join", "concat": "join", "concatenate": "join", "stack": "join",
    "log_softmax": "softmax", "softmin": "softmax", "cumsum": "softmax",
    "swapaxes": "transpose", "swapdims": "transpose", "unsqueeze": "squeeze",
    "unsafe_chunk": "chunk", "tensor_split": "chunk", "getitem": "index", "pixel_unshuffle": "pixel_shuffle",
    "upsample": "interpolate", "repeat": "expand", "rms_norm": "layer_norm",
}  # fmt: skip
_VARIADIC = ("dims", "sizes")  # x.permute(0, 2, 1) means x.permute((0, 2, 1))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


POINTWISE = _words(
    """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink
    softshrink tanhshrink threshold softplus softsign logsigmoid sigmoid tanh clamp clamp_min clamp_max clip abs exp log
    log1p sqrt rsqrt
    square pow reciprocal neg sign sin cos erf nan_to_num add sub mul div rsub radd rmul rtruediv truediv
    true_divide subtract multiply divide maximum minimum where lerp addcmul addcdiv fmax fmin atan2 floor_divide gt lt
    ge le eq ne logical_and logical_or logical_not dropout alpha_dropout dropout1d dropout2d dropout3d
    feature_alpha_dropout batch_norm local_response_norm masked_fill floor ceil round frac bernoulli"""
)
"""Functions whose outputs each depend, along every axis of the image, on the inputs at the same place only."""
_ACTIVATIONS = _words(
    """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink
    softshrink tanhshrink threshold softplus softsign logsigmoid sigmoid tanh clamp clamp_min softmax log_softmax glu
    gumbel_softmax softmin"""
)
_ARITHMETIC = _words("add sub mul div rsub radd rmul truediv maximum minimum cat concat stack concatenate")
_MATRIX = _words("linear bilinear matmul rmatmul mm bmm addmm baddbmm einsum mv tensordot")
_RESHAPING = _words(
    """flatten unflatten view reshape permute transpose swapaxes squeeze unsqueeze chunk split unsafe_chunk
    tensor_split getitem pad pixel_shuffle pixel_unshuffle unfold fold interpolate upsample narrow select flip roll
    expand repeat channel_shuffle movedim t mt mh h"""
)
_SPATIAL_REDUCTIONS = _words("mean sum amax max_pool avg_pool lp_pool adaptive_pool")
# these change how a tensor is kept, not what it says: no reader wants a box for them
_BOOKKEEPING = _words(
    """contiguous to detach clone float half double bfloat16 type type_as cpu cuda data requires_grad alias
    alias_copy detach_copy lift_fresh real"""
)


def function_name(function: Callable[..., Any]) -> str:
    """PyTorch's name of a function without what only tells its variants apart.

    >>> import torch
    >>> function_name(torch.nn.functional.conv2d), function_name(torch.Tensor.__add__), function_name(torch.relu_)
    ('conv2d', 'add', 'relu')
    """
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":  # a property such as x.mT, whose own name is one step up
        name = (resolve_name(function) or "property").split(".")[-2].lower()
    name = name.split(".")[0]  # add.Tensor is a variant of add
    return name.strip("_").removesuffix("_with_indices")


def is_bookkeeping(name: str) -> bool:
    """Whether a function only changes how a tensor is kept: its type, its place, its order in memory."""
    return name in _BOOKKEEPING


def _group(name: str) -> str:
    """The entry of `_ARGUMENTS` for a function."""
    plain = re.sub(r"_?[123]d$", "", name)
    if plain.startswith("adaptive_") and plain.endswith("_pool"):
        return "adaptive_pool"
    return _SAME_ARGUMENTS.get(plain, plain)


def family_of(name: str, data_inputs: int) -> str:
    """Which of FAMILIES a function belongs to; `data_inputs` is how many of its tensors depend on the image.

    >>> family_of("conv2d", 1), family_of("add", 2), family_of("add", 1)
    ('convolution', 'joining', 'other')
    """
    group = _group(name)
    if group.startswith("conv") or name.startswith("deform_conv"):
        return "convolution"
    for family, holds in (
        ("pooling", group.endswith("pool") or group in _SPATIAL_REDUCTIONS or name in _SPATIAL_REDUCTIONS),
        ("linear", name in _MATRIX),
        ("attention", "attention" in name),
        ("recurrent", name in ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell")),
        ("normalization", name.endswith("_norm") or name == "normalize"),
        ("dropout", "dropout" in name),
        ("activation", name in _ACTIVATIONS),
        ("joining", name in _ARITHMETIC and data_inputs > 1),
        ("reshaping", name in _RESHAPING),
        ("input", name == "input"),
    ):
        if holds:
            return family
    return "other"


def settings_of(
    name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[tuple[str, Any], ...]:
    """The arguments of a call that are no tensors, by name, in plain values.

    >>> settings_of("flatten", ["the tensor", 1], {})
    (('start_dim', 1),)
    """
    names = _ARGUMENTS.get(_group(name), ())
    given: dict[str, Any] = {}
    rest = list(arguments[1:])
    if names and names[-1] in _VARIADIC and len(rest) >= len(names) and isinstance(rest[len(names) - 1], int):
        rest[len(names) - 1 :] = [tuple(rest[len(names) - 1 :])]
    for position, value in enumerate(rest):
        given[names[position] if position < len(names) else f"argument{position + 1}"] = value
    given.update(keywords)
    if _group(name).startswith("conv"):
        weight = given.get("weight")
        if isinstance(weight, Tensor):
            given["kernel_size"] = tuple(weight.shape[2:])
            given["filters"] = int(weight.shape[0])
    plain = {key: _plain(value) for key, value in given.items() if not key.startswith("_")}
    return tuple((key, value) for key, value in plain.items() if value is not _LEFT_OUT)


_LEFT_OUT = object()


def _plain(value: Any) -> Any:
    """Numbers, texts and tuples of them; a slice becomes ("slice", start, stop, step); tensors are left out."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, slice):
        return ("slice", _plain(value.start), _plain(value.stop), _plain(value.step))
    if value is Ellipsis:
        return "..."
    if isinstance(value, tuple | list):
        parts = tuple(_plain(part) for part in value)
        return _LEFT_OUT if any(part is _LEFT_OUT for part in parts) else parts
    return _LEFT_OUT
