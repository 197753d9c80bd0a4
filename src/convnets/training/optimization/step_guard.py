"""StepGuard: nothing that is not finite reaches the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from convnets.errors import TrainingError
from convnets.kernels.gradient_norm import gradient_norm
from convnets.training.config import TrainConfig

__all__ = ["StepGuard"]

_MOST_IN_A_ROW = 10  # skipped steps, after which going on is of no use
_REMEDY = (
    "likely a learning rate too high: try a lower one, warm-up, or clip_gradient_norm=1; "
    "or look for broken pixels or labels in the data"
)


class StepGuard:
    """Looks at loss and gradients between the backward pass and the update, and takes a step's traces back.

    Weights move only after `allows_step`; batch norm's moving statistics have moved by then, so they are kept from
    before. Gradients are clipped here too, since that takes their norm anyway. On CUDA, where asking would stall
    the device, the device itself holds the update back, and the error comes from the next `check`.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        say: Callable[[str], None],
    ) -> None:
        self.skipped = 0
        """Steps left out since the run began."""
        self._in_a_row = 0
        self._config, self._say = config, say
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._buffers = list(network.buffers())
        self._before: list[Tensor] = []
        on_cuda = self._parameters[0].device.type == "cuda" if self._parameters else False
        fused = getattr(optimizer, "_step_supports_amp_scaling", False)
        self.deferred = on_cuda and fused and config.non_finite == "stop"
        """Whether the device decides by itself and `check` tells later."""
        self._optimizer: Any = optimizer
        self._held_back: Tensor | None = None

    @torch.no_grad()
    def before_step(self) -> None:
        """Remember what the forward pass changes."""
        if not self._before:
            self._before = [buffer.clone() for buffer in self._buffers]
        elif self._buffers:
            torch._foreach_copy_(self._before, self._buffers)

    @torch.no_grad()
    def undo(self) -> None:
        """Set it back."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._before)

    def allows_step(self, loss_sum: Tensor, where: str, learning_rate: float) -> bool:
        """Whether loss and gradients are finite; clips the gradients where the run is to.

        If not, the network is as it was before the step. Raises TrainingError then, unless such steps are skipped;
        and when skipping goes on for too long.
        """
        if self.deferred:
            self._let_device_decide(loss_sum + self._clipped_norm())
            return True
        norm = self._norm()
        if math.isfinite(float(loss_sum)) and math.isfinite(norm):
            self._in_a_row = 0
            return True
        self.undo()
        gradient_only = math.isfinite(float(loss_sum))
        what = f"the gradient's norm is {norm}" if gradient_only else "the loss is not finite"
        self.skipped += 1
        self._in_a_row += 1
        message = (
            f"{what} in {where}, at learning rate {learning_rate:.3g}; the weights are as before that step"
        )
        if self._config.non_finite == "stop" or self._in_a_row >= _MOST_IN_A_ROW:
            often = "" if self._in_a_row == 1 else f", {self._in_a_row} steps in a row"
            raise TrainingError(f"{message}{often}; {_REMEDY}")
        self._say(f"{message}; step skipped, {self.skipped} so far")
        return False

    def check(self, where: str) -> None:
        """Raise TrainingError where the device has held an update back since the last call; waits for the device."""
        if self._held_back is not None and bool(self._held_back):
            raise TrainingError(
                f"the loss or a gradient is not finite before {where}; the weights are as before that; {_REMEDY}"
            )

    def _let_device_decide(self, total: Tensor) -> None:
        """Fused optimizers leave everything as it is where `found_inf` is 1, as for mixed precision's scaler."""
        bad = (~torch.isfinite(total)).float()
        self._held_back = bad if self._held_back is None else torch.maximum(self._held_back, bad)
        self._optimizer.grad_scale, self._optimizer.found_inf = None, self._held_back

    def _norm(self) -> float:
        """The Euclidean norm over all gradients, before they are clipped; waits for the device."""
        if self._config.clip_gradient_norm is not None or not self._config.fast:
            return float(self._clipped_norm())
        return gradient_norm([p.grad for p in self._parameters if p.grad is not None])

    def _clipped_norm(self) -> Tensor:
        """The same by PyTorch, on the device; clips the gradients where the run is to."""
        limit = self._config.clip_gradient_norm
        if limit is not None:
            return nn.utils.clip_grad_norm_(self._parameters, limit)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        return nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
