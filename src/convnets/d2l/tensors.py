"""The short names for tensor operations that the listings use."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

__all__ = [
    "abs",
    "arange",
    "argmax",
    "astype",
    "batch_matmul",
    "concat",
    "cos",
    "cosh",
    "exp",
    "expand_dims",
    "eye",
    "float32",
    "int32",
    "int64",
    "linspace",
    "log",
    "matmul",
    "meshgrid",
    "normal",
    "numpy_of",
    "ones",
    "ones_like",
    "rand",
    "randn",
    "reduce_mean",
    "reduce_sum",
    "repeat",
    "reshape",
    "sigmoid",
    "sin",
    "sinh",
    "size",
    "stack",
    "swapaxes",
    "tanh",
    "tensor",
    "to",
    "transpose",
    "zeros",
    "zeros_like",
]

abs = torch.abs
arange, linspace, meshgrid, eye = torch.arange, torch.linspace, torch.meshgrid, torch.eye
batch_matmul, matmul = torch.bmm, torch.matmul
concat, stack = torch.cat, torch.stack
cos, cosh, sin, sinh, tanh, exp, log = (
    torch.cos,
    torch.cosh,
    torch.sin,
    torch.sinh,
    torch.tanh,
    torch.exp,
    torch.log,
)
sigmoid = torch.sigmoid
float32, int32, int64 = torch.float32, torch.int32, torch.int64
normal, rand, randn = torch.normal, torch.rand, torch.randn
ones, ones_like, zeros, zeros_like, tensor = (
    torch.ones,
    torch.ones_like,
    torch.zeros,
    torch.zeros_like,
    torch.tensor,
)


def argmax(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
    """`x.argmax(…)`."""
    return x.argmax(*arguments, **named)


def astype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` as another type."""
    return x.type(dtype)


def expand_dims(x: Tensor, dim: int) -> Tensor:
    """`x` with an axis of length 1 at `dim`."""
    return x.unsqueeze(dim)


def numpy_of(x: Tensor, *arguments: Any, **named: Any) -> numpy.ndarray[Any, Any]:
    """`x` as an array, without its gradient; the book's `d2l.numpy`."""
    array: numpy.ndarray[Any, Any] = x.detach().numpy(*arguments, **named)
    return array


def reduce_mean(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
    """`x.mean(…)`."""
    return x.mean(*arguments, **named)


def reduce_sum(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
    """`x.sum(…)`."""
    return x.sum(*arguments, **named)


def repeat(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
    """`x.repeat(…)`."""
    return x.repeat(*arguments, **named)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """`x.reshape(…)`."""
    return x.reshape(*shape)


def size(x: Tensor, *arguments: Any) -> Any:
    """How many numbers there are in `x`."""
    return x.numel(*arguments)


def swapaxes(x: Tensor, first: int, second: int) -> Tensor:
    """`x` with two axes exchanged."""
    return x.swapaxes(first, second)


def to(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
    """`x.to(…)`."""
    return x.to(*arguments, **named)


def transpose(x: Tensor, *arguments: Any) -> Tensor:
    """`x.t()`, or with two axes `x.transpose(…)`."""
    return x.transpose(*arguments) if arguments else x.t()
