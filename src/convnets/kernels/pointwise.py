"""Batch norm, addition, activation and pooling in one or two passes over memory, for training on the processor.

PyTorch runs each of them on its own, and each reads and writes whole maps: forward and backward of batch norm, ReLU
and max pooling pass over memory some fifteen times, where four passes suffice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from convnets.errors import UnknownNameError
from convnets.kernels.compiled import compiled_kernels
from convnets.kernels.pointwise_call import ACTIVATIONS, PointwiseCall, call_for
from convnets.kernels.pooling import Pooling

__all__ = ["Norm", "Pooling", "is_supported", "normalize_activate_pool"]

Norm = nn.BatchNorm1d | nn.BatchNorm2d

# activations so cheap that the second pass backward computes them again instead of reading a stored gradient
_CHEAP = (None, "relu")
_WIDEST_REGISTER = 64  # bytes


def normalize_activate_pool(
    x: Tensor, norm: Norm | None, residual: Tensor | None, activation: str | None, pooling: Pooling | None
) -> Tensor:
    """pool(activation(norm(x) + residual)), differentiable once in x, residual and the norm's weight and bias.

    x is N×C×H×W, in channels-last memory for speed, or N×D without pooling; residual has its shape and type. The
    result has the type of x. A norm must be in training mode; its running statistics are updated. Statistics are
    in float32, and nothing is rounded to bfloat16 on the way but the result and the gradients. Activations: None,
    relu, sigmoid, tanh, gelu (the exact one) and silu.

    Where `is_supported` says no, or native kernels cannot be compiled, PyTorch's own operations give the result.

    >>> x = torch.randn(8, 6, 24, 24).to(memory_format=torch.channels_last)
    >>> normalize_activate_pool(x, nn.BatchNorm2d(6), None, "sigmoid", Pooling("average", 2)).shape
    torch.Size([8, 6, 12, 12])
    """
    if activation not in ACTIVATIONS:
        raise UnknownNameError("activation", str(activation), [str(name) for name in ACTIVATIONS])
    lone = (
        norm is None and residual is None and pooling is None
    )  # nothing to fuse, and PyTorch's call is shorter
    if lone or compiled_kernels() is None or not is_supported(x, norm, residual, pooling):
        return plain(x, norm, residual, activation, pooling)
    if norm is not None and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    weight, bias = (None, None) if norm is None else (norm.weight, norm.bias)
    result: Tensor = _NormalizeActivatePool.apply(  # type: ignore[no-untyped-call]
        x, weight, bias, residual, norm, activation, pooling
    )
    return result


def is_supported(
    x: Tensor, norm: Norm | None = None, residual: Tensor | None = None, pooling: Pooling | None = None
) -> bool:
    """Whether the native kernels can do it; otherwise `normalize_activate_pool` takes PyTorch's own operations.

    >>> is_supported(torch.randn(2, 3, 8, 8), nn.BatchNorm2d(3)), is_supported(torch.randn(2, 3, 8, 8).double())
    (True, False)
    """
    if not _fits(x) or torch.compiler.is_compiling():
        return False
    if residual is not None and (
        not _fits(residual) or residual.shape != x.shape or residual.dtype != x.dtype
    ):
        return False
    if pooling is not None:
        if x.dim() != 4 or min(pooling.output_size(x.shape[2], x.shape[3])) < 1:
            return False
        if pooling.kernels[0] * pooling.kernels[1] > 256:  # the place of a maximum is kept in a byte
            return False
    return norm is None or _is_supported_norm(norm, x)


def _fits(x: Tensor) -> bool:
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.device.type == "cpu"
        and x.layout == torch.strided
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.dim() in (2, 4)
        and x.numel() > 0
    )


def _is_supported_norm(norm: Norm, x: Tensor) -> bool:
    if type(norm) is not (nn.BatchNorm1d if x.dim() == 2 else nn.BatchNorm2d):
        return False
    if not norm.training or not norm.track_running_stats or norm.momentum is None:
        return False
    tensors = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    if norm.running_mean is None or norm.running_var is None or norm.num_features != x.shape[1]:
        return False
    if any(t is not None and (t.dtype != torch.float32 or not t.is_contiguous()) for t in tensors):
        return False
    return x.numel() > x.shape[1]  # PyTorch refuses a variance of one value, with its own message


def plain(
    x: Tensor, norm: Norm | None, residual: Tensor | None, activation: str | None, pooling: Pooling | None
) -> Tensor:
    """What `normalize_activate_pool` computes, by PyTorch's own operations."""
    y = x if norm is None else norm(x)
    y = y if residual is None else y + residual
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": F.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "gelu": F.gelu,
        "silu": F.silu,
    }
    y = y if activation is None else functions[activation](y)
    return y if pooling is None else pooling.plain(y)


class _NormalizeActivatePool(torch.autograd.Function):
    """The native kernels as one operation of the graph."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        residual: Tensor | None,
        norm: Norm | None,
        activation: str | None,
        pooling: Pooling | None,
    ) -> Tensor:
        x, residual = _rows_of_channels(x), None if residual is None else _rows_of_channels(residual)
        call = call_for(x, activation, pooling)
        y, winner = _result(x, call, pooling)
        mean = inverse_std = None
        if norm is not None:
            mean, inverse_std = x.new_empty(2, x.shape[1], dtype=torch.float32)
            call.set_norm(weight, bias, mean, inverse_std)
            call.set_running(norm)
        call.set_tensors(x=x, residual=residual, y=y, winner=winner)
        _library().pointwise_forward(ctypes.byref(call))
        ctx.activation, ctx.pooling, ctx.shape = activation, pooling, x.shape
        linear = (
            activation is None
        )  # then the slope does not depend on the sum, and x only matters to the norm
        kept = (
            None if linear and norm is None else x,
            None if linear else residual,
            weight,
            bias,
            mean,
            inverse_std,
            winner,
        )
        ctx.save_for_backward(*kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        x, residual, weight, bias, mean, inverse_std, winner = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, needs_residual = ctx.needs_input_grad[:4]
        grad_y = _rows_of_channels(grad_y)
        like = _empty(ctx.shape, grad_y.dtype)
        call = call_for(like, ctx.activation, ctx.pooling)
        grad_x = like if needs_x else None
        grad_z = torch.empty_like(like) if needs_residual else None
        if mean is None:
            grad_z = grad_x = like  # without a norm, both are the same
        else:
            call.set_norm(weight, bias, mean, inverse_std)
            stored = ctx.pooling is not None or residual is not None or ctx.activation not in _CHEAP
            if stored and grad_z is None:
                grad_z = grad_x
        grad_weight = torch.empty_like(weight) if needs_weight else None
        grad_bias = torch.empty_like(bias) if needs_bias else None
        call.set_tensors(x=x, residual=residual, winner=winner, grad_y=grad_y, grad_x=grad_x, grad_z=grad_z)
        call.set_tensors(grad_weight=grad_weight, grad_bias=grad_bias)
        _library().pointwise_backward(ctypes.byref(call))
        return (
            grad_x if needs_x else None,
            grad_weight,
            grad_bias,
            grad_z if needs_residual else None,
            None,
            None,
            None,
        )


def _library() -> ctypes.CDLL:
    library = compiled_kernels()
    assert library is not None, "only reached where the library is there"
    return library


def _rows_of_channels(x: Tensor) -> Tensor:
    """The same values in memory as rows of C: channels-last, or contiguous for N×D; a copy only where needed."""
    return x.contiguous(memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format)


def _empty(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    memory_format = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, memory_format=memory_format)


def _result(x: Tensor, call: PointwiseCall, pooling: Pooling | None) -> tuple[Tensor, Tensor | None]:
    """Memory for the result and, for max pooling, for the places of the maxima."""
    if pooling is None:
        return torch.empty_like(x), None
    y = _empty(torch.Size((*x.shape[:2], call.pooled_height, call.pooled_width)), x.dtype)
    if pooling.kind != "max":
        return y, None
    return y, torch.empty(y.numel() + _WIDEST_REGISTER, dtype=torch.uint8)
