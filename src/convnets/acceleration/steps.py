"""Steps: what takes the place of layers in an accelerated network. Each holds the network's own modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from convnets.acceleration.chains import Chain
from convnets.kernels.convolutions.convolution import ConvolutionPlan, ConvolutionShape, convolution
from convnets.kernels.pointwise import normalize_activate_pool

__all__ = ["ConvolutionStep", "PlanFor", "PointwiseStep"]

PlanFor = Callable[[ConvolutionShape], ConvolutionPlan]
"""Which kernels a convolution of this shape takes; the tuner's answer."""


class PointwiseStep(nn.Module):
    """pool(activation(norm(x) + residual)) by one kernel, or by PyTorch's operations where that cannot."""

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self.norm, self.activation, self.pooling = chain.norm, chain.activation, chain.pooling

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return normalize_activate_pool(x, self.norm, residual, self.activation, self.pooling)


class ConvolutionStep(nn.Module):
    """A convolution by the kernels that are fastest for its shape, with the activation that follows it."""

    def __init__(self, module: nn.Conv2d, plan_for: PlanFor, activation: str | None = None) -> None:
        super().__init__()
        self.module, self.activation = module, activation
        self._stride = cast("tuple[int, int]", module.stride)
        self._padding = cast("tuple[int, int]", module.padding)
        self._plan_for = plan_for
        self._plans: dict[tuple[ConvolutionShape, int], ConvolutionPlan] = {}

    def forward(self, x: Tensor) -> Tensor:
        module = self.module
        shape = ConvolutionShape.of_tensors(
            x,
            module.weight,
            self._stride,
            self._padding,
            bias=module.bias is not None,
            dtype=torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype,
            needs_input_gradient=x.requires_grad,
        )
        key = shape, torch.get_num_threads()  # which kernel is fastest depends on both
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._known_for_larger(*key) or self._plan_for(shape)
        return convolution(x, module.weight, module.bias, self._stride, self._padding, plan, self.activation)

    def _known_for_larger(self, shape: ConvolutionShape, threads: int) -> ConvolutionPlan | None:
        """The plan of the full batches: the last of an epoch is smaller and not worth measuring for."""
        for (known, known_threads), plan in self._plans.items():
            if (
                threads == known_threads
                and shape.batch < known.batch
                and replace(known, batch=shape.batch) == shape
            ):
                return plan
        return None
