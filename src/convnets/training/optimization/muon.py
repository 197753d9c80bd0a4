"""Muon: momentum whose update of each convolution is made orthogonal; everything else takes Nesterov's steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from convnets.core.hardware import bf16_is_native
from convnets.training.optimization.prompt_optimizers import PromptOptimizer

__all__ = ["Muon", "orthogonalize"]

# Jordan et al. 2024: steep at 0, so that few steps lift small singular values; the result lies within about 0.7 to 1.2
_QUINTIC = (3.4445, -4.7750, 2.0315)
_TINY = 1e-7


def orthogonalize(matrix: Tensor, steps: int = 3) -> Tensor:
    """Roughly U Vᵀ of the singular value decomposition U Σ Vᵀ of a matrix M×N, by matrix products alone.

    Newton–Schulz iteration with a quintic: X ← a X + (b A + c A²) X with A = X Xᵀ moves every singular value σ of
    X to a σ + b σ³ + c σ⁵, from X = matrix / ‖matrix‖ on. Few steps leave directions far below the largest short.
    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". In the matrix's own type.

    >>> torch.linalg.matrix_norm(orthogonalize(torch.diag(torch.tensor([3.0, 2.0])), steps=5), 2).item() < 1.3
    True
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix  # the products are of the shorter side
    x = x / (x.norm() + _TINY)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(PromptOptimizer):
    """SGD with Nesterov's momentum, except in groups marked `orthogonal`: there a step goes along U Vᵀ.

    An orthogonal group holds weights of two axes or more, O outputs first. Before each step a weight is scaled to the
    Euclidean norm √O, so that its rows are about unit vectors and the learning rate is the angle of a step; decay
    would have nothing to do and is not applied. Jordan 2024, airbench; the other groups take PyTorch's own SGD steps.

    >>> weight = torch.nn.Parameter(torch.ones(2, 2))
    >>> weight.grad = torch.eye(2)
    >>> Muon([{"params": [weight], "orthogonal": True}], lr=0.0).step()
    >>> round(weight.norm().item(), 4)
    1.4142
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.6,
        nesterov: bool = True,
        weight_decay: float = 0.0,
        steps: int = 3,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "steps": steps,
            "orthogonal": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        orthogonal = group["orthogonal"]
        if group["weight_decay"] and not orthogonal:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state, momentum = self.state[parameter], group["momentum"]
        if momentum:
            if "velocity" not in state:
                state["velocity"] = torch.zeros_like(parameter)
            velocity = state["velocity"].mul_(momentum).add_(gradient)
            gradient = gradient.add(velocity, alpha=momentum) if group["nesterov"] else velocity
        if orthogonal:
            parameter.mul_(math.sqrt(len(parameter)) / (parameter.norm() + _TINY))
            dtype = torch.bfloat16 if bf16_is_native(parameter.device) else torch.float32
            direction = orthogonalize(gradient.reshape(len(gradient), -1).to(dtype), group["steps"])
            gradient = direction.view(parameter.shape).to(parameter.dtype)
        parameter.add_(gradient, alpha=-group["lr"])
