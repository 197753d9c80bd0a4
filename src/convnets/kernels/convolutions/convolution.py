"""A convolution for training on the processor whose three directions each run the kernel of a plan."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from convnets.errors import ConfigError, InputError
from convnets.kernels.convolutions.candidates import FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, find
from convnets.kernels.convolutions.plan import ONEDNN, ConvolutionPlan
from convnets.kernels.convolutions.shape import ConvolutionShape, channels_last

__all__ = ["ONEDNN", "ConvolutionPlan", "ConvolutionShape", "convolution"]


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    plan: ConvolutionPlan = ONEDNN,
    activation: str | None = None,
) -> Tensor:
    """Cross-correlate images with kernels: N×C×H×W → N×O×H'×W', channels-last.

    - `x`: N×C×H×W on the CPU; bf16, float32 or float64, in any layout
    - `weight`, `bias`: O×C×KH×KW and O. They are cast to the type that is computed in: autocast's where autocast is
      on, else that of `x`. Their gradients come in their own type; the plan's kernels say how they are summed.
    - `activation`: `"relu"` is applied in place on the result; its mask is part of the gradient.

    The gradient of `x` is computed only where `x` needs one. Raises InputError for shapes and types that do not fit,
    ConfigError for another activation, UnknownNameError for a kernel that is not among the candidates.

    >>> x, weight = torch.ones(1, 1, 3, 3), torch.ones(2, 1, 3, 3, requires_grad=True)
    >>> y = convolution(x, weight, padding=(1, 1), activation="relu")
    >>> y[0, 0]
    tensor([[4., 6., 4.],
            [6., 9., 6.],
            [4., 6., 4.]], grad_fn=<SelectBackward0>)
    >>> y.sum().backward()
    >>> weight.grad[0, 0, 1, 1]
    tensor(9.)
    """
    if activation not in (None, "relu"):
        raise ConfigError(f"activation is {activation!r}; allowed: 'relu', None")
    if x.device.type != "cpu":
        raise InputError(f"a convolution by plan got a tensor on {x.device}; allowed: cpu")
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    shape = ConvolutionShape.of_tensors(
        x,
        weight,
        stride,
        padding,
        bias=bias is not None,
        dtype=dtype,
        needs_input_gradient=x.requires_grad,
    )
    if plan == ONEDNN and activation is None:
        return _by_pytorch(x, weight, bias, shape)
    done: Tensor = _Convolution.apply(x, weight, bias, shape, plan, activation == "relu")  # type: ignore[no-untyped-call]
    return done


def _by_pytorch(x: Tensor, weight: Tensor, bias: Tensor | None, shape: ConvolutionShape) -> Tensor:
    """What `_Convolution` would do by oneDNN, without going through Python in the backward pass."""
    dtype = shape.torch_dtype
    stride, padding = list(shape.stride), list(shape.padding)
    bias = None if bias is None else bias.to(dtype)
    x, weight = channels_last(x.to(dtype)), weight.to(dtype)
    y = torch.convolution(x, weight, bias, stride, padding, [1, 1], False, [0, 0], 1)
    return channels_last(y)


class _Convolution(torch.autograd.Function):
    """y = relu(x ∗ w + b); the derivative of relu at zero is zero, as everywhere in PyTorch."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        shape: ConvolutionShape,
        plan: ConvolutionPlan,
        relu: bool,
    ) -> Tensor:
        dtype = shape.torch_dtype
        ctx.shape, ctx.plan, ctx.input_dtype, ctx.weight_dtype = shape, plan, x.dtype, weight.dtype
        ctx.bias_dtype = None if bias is None else bias.dtype
        x, weight = channels_last(x.to(dtype)), channels_last(weight.to(dtype))
        bias = None if bias is None else bias.to(dtype)
        y = _not_a_view(find(FORWARD, plan.forward, shape)(x, weight, bias, shape, relu))
        ctx.save_for_backward(x, weight, y if relu else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        shape, plan = ctx.shape, ctx.plan
        gradient = channels_last(gradient)
        if y is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            run = find(INPUT_GRADIENT, plan.input_gradient, shape)
            for_x = run(gradient, x, weight, shape).to(ctx.input_dtype)
        if ctx.needs_input_grad[1]:
            for_weight, for_bias = find(WEIGHT_GRADIENT, plan.weight_gradient, shape)(gradient, x, shape)
            for_weight = for_weight.to(ctx.weight_dtype)
            for_bias = None if for_bias is None else for_bias.to(ctx.bias_dtype)
        elif ctx.needs_input_grad[2]:
            for_bias = gradient.sum((0, 2, 3)).to(ctx.bias_dtype)
        return for_x, for_weight, for_bias, None, None, None


def _not_a_view(y: Tensor) -> Tensor:
    """The same memory under a tensor of its own: what changes `y` in place, such as ReLU, may not be given a view."""
    if not y._is_view():
        return y
    return y.new_empty(0).set_(y.untyped_storage(), y.storage_offset(), y.shape, y.stride())
