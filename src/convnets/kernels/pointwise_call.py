"""What the native pointwise kernels are given: the C structure `PointwiseCall` of native/pointwise.h."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from convnets.kernels.pooling import Pooling

__all__ = ["ACTIVATIONS", "PointwiseCall", "call_for"]

ACTIVATIONS: tuple[str | None, ...] = (None, "relu", "sigmoid", "tanh", "gelu", "silu")
_POOLINGS = {"max": 1, "average": 2}

_POINTERS = (
    *("x", "residual", "y", "winner", "grad_y", "grad_z", "grad_x", "weight", "bias"),
    *("running_mean", "running_var", "mean", "inverse_std", "grad_weight", "grad_bias"),
)
_SIZES = (
    *("images", "height", "width", "channels", "pooled_height", "pooled_width"),
    *("kernel_height", "kernel_width", "stride_height", "stride_width", "padding_height", "padding_width"),
)


class PointwiseCall(ctypes.Structure):
    """One call; addresses that are not set are null. Fields in the order of the C structure."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_float) for name in ("epsilon", "momentum")),
        *(
            (name, ctypes.c_int32)
            for name in ("is_bfloat16", "activation", "pooling", "normalized", "threads")
        ),
    )

    def set_tensors(self, **tensors: Tensor | None) -> None:
        """Addresses of tensors, by the names of the fields; the tensors must live until the call is over."""
        for name, tensor in tensors.items():
            if tensor is not None:
                setattr(self, name, tensor.data_ptr())

    def set_norm(self, weight: Tensor | None, bias: Tensor | None, mean: Tensor, inverse_std: Tensor) -> None:
        """The norm's parameters and the batch's statistics, C float32 numbers each."""
        self.normalized = 1
        self.set_tensors(weight=weight, bias=bias, mean=mean, inverse_std=inverse_std)

    def set_running(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        """The running statistics, which forward updates."""
        self.set_tensors(running_mean=norm.running_mean, running_var=norm.running_var)
        self.epsilon, self.momentum = norm.eps, norm.momentum


def call_for(x: Tensor, activation: str | None, pooling: Pooling | None) -> PointwiseCall:
    """A call for N×C×H×W in channels-last memory, or N×D, without any addresses yet."""
    images, channels = x.shape[:2]
    height, width = (x.shape[2], x.shape[3]) if x.dim() == 4 else (1, 1)
    call = PointwiseCall(
        images=images,
        height=height,
        width=width,
        channels=channels,
        is_bfloat16=x.dtype == torch.bfloat16,
        activation=ACTIVATIONS.index(activation),
        threads=torch.get_num_threads(),
    )
    if pooling is not None:
        call.pooling = _POOLINGS[pooling.kind]
        call.pooled_height, call.pooled_width = pooling.output_size(height, width)
        call.kernel_height, call.kernel_width = pooling.kernels
        call.stride_height, call.stride_width = pooling.strides
        call.padding_height, call.padding_width = pooling.paddings
    return call
