"""Learner: everything that a training step changes — weights, optimiser, running average — in one place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.core.seeds import derive_seed
from convnets.data.batches import Batch
from convnets.errors import ConfigError, TrainingError
from convnets.models.contract import ImageClassifier
from convnets.training.config import TrainConfig
from convnets.training.kernels import Kernels
from convnets.training.optimisers import build_optimiser, cap_weight_norms, weight_penalty, weights_of
from convnets.training.schedules import schedule_factor

__all__ = ["Learner", "check_auxiliary_heads"]


@runtime_checkable
class HasAuxiliaryHeads(Protocol):
    """A network that gives the logits of its auxiliary heads beside its own."""

    def forward_with_auxiliary(self, x: Tensor) -> tuple[Tensor, ...]: ...


def check_auxiliary_heads(network: nn.Module, config: TrainConfig) -> None:
    """Raise ConfigError when auxiliary heads are to be trained that the network does not have."""
    if config.auxiliary_weight and not isinstance(network, HasAuxiliaryHeads):
        raise ConfigError(
            f"auxiliary_weight is {config.auxiliary_weight} but {type(network).__name__} has no auxiliary heads; "
            "set it to 0 or train googlenet"
        )


class Learner:
    """A network and all that changes with it from step to step. N images of a batch, K classes."""

    def __init__(
        self, network: nn.Module, config: TrainConfig, hardware: Hardware, kernels: Kernels | None = None
    ) -> None:
        check_auxiliary_heads(network, config)
        self.config, self.hardware = config, hardware
        self.network: nn.Module = network.to(hardware.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kernels = kernels or Kernels(hardware)
        # made at the first step, since compiling its kernels may take a while
        self._twin: Callable[[Tensor], Tensor] | None = None
        self.weights = weights_of(self.network)
        self.optimiser = build_optimiser(self.network, config)
        self.average = copy.deepcopy(self.network).eval() if config.ema_decay is not None else None
        self.steps = 0
        self.learning_rate = 0.0
        self.start_epoch()

    @property
    def network_to_keep(self) -> nn.Module:
        """What is validated and saved: the running average where there is one, else the network."""
        return self.network if self.average is None else self.average

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before and go into training mode."""
        device = self.hardware.device
        self._loss_sum = torch.zeros((), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self.seen = 0
        self.network.train()

    @property
    def loss(self) -> float:
        """Mean cross-entropy of the epoch so far, in nats; waits for the device."""
        return float(self._loss_sum) / max(1, self.seen)

    @property
    def accuracy(self) -> float:
        """Share of the epoch's images so far that were classified right while training; waits for the device."""
        return float(self._correct) / max(1, self.seen)

    def step(self, batch: Batch, epoch: int, step: int, progress: float) -> None:
        """One update on one batch, at `progress` (0 to 1) of the run; dropout depends on seed, epoch and step alone."""
        torch.manual_seed(derive_seed(self.config.seed, "step", epoch, step))
        self.learning_rate = self.config.peak_learning_rate * schedule_factor(self.config, progress)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * group["rate"]
        self.optimiser.zero_grad(set_to_none=True)
        count = len(batch.targets)
        parts = min(self.config.accumulate, count)
        for images, targets in zip(batch.images.chunk(parts), batch.targets.chunk(parts), strict=True):
            self._backward(images, targets, len(targets) / count, epoch, step)
        if self.config.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_gradient_norm)
        self.optimiser.step()
        if self.config.max_norm is not None:
            cap_weight_norms(self.weights, self.config.max_norm)
        self.steps += 1
        if self.average is not None:
            self._update_average()

    def _backward(self, images: Tensor, targets: Tensor, share: float, epoch: int, step: int) -> None:
        config = self.config
        with self.hardware.autocast():
            if config.auxiliary_weight:
                assert isinstance(self.network, HasAuxiliaryHeads)
                logits, *auxiliary = self.network.forward_with_auxiliary(images)
            else:
                logits, auxiliary = self._forward(images), []
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=config.label_smoothing)
        if self.hardware.device.type == "cpu" and not torch.isfinite(
            loss
        ):  # elsewhere asking would stall the device
            raise TrainingError(self._not_finite(loss.item(), epoch, step))
        total = loss
        for head in auxiliary:
            head_loss = F.cross_entropy(head.float(), targets, label_smoothing=config.label_smoothing)
            total = total + config.auxiliary_weight * head_loss
        if config.l1_penalty or config.l2_penalty:
            total = total + weight_penalty(self.weights, config.l1_penalty, config.l2_penalty)
        torch.autograd.backward(total * share)
        with torch.no_grad():
            labels = targets if targets.ndim == 1 else targets.argmax(1)
            self._loss_sum += loss.detach() * len(targets)
            self._correct += (logits.detach().argmax(1) == labels).sum()
            self.seen += len(targets)

    def _forward(self, images: Tensor) -> Tensor:
        if self._twin is None:
            self._twin = self.kernels.accelerate(self.network, images) if self.config.fast else self.network
        if isinstance(self.network, ImageClassifier):  # the twin has no checks of its own
            self.network.check_input(images)
        logits: Tensor = self._twin(images)
        return logits

    def check_finite(self, epoch: int, step: int) -> None:
        """Raise TrainingError if the epoch's mean loss is no longer finite."""
        if not torch.isfinite(self._loss_sum):
            raise TrainingError(self._not_finite(float(self._loss_sum), epoch, step))

    def _not_finite(self, loss: float, epoch: int, step: int) -> str:
        return (
            f"the loss is {loss} in epoch {epoch + 1}, step {step + 1}, at learning rate {self.learning_rate:.3g}; "
            "the best weights so far are kept; try a lower learning rate, warm-up, or clip_gradient_norm=1"
        )

    @torch.no_grad()
    def _update_average(self) -> None:
        assert self.average is not None
        assert self.config.ema_decay is not None
        decay = min(
            self.config.ema_decay, (1 + self.steps) / (10 + self.steps)
        )  # so that the start is forgotten soon
        own, other = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[name] for name in floats], [other[name] for name in floats], 1 - decay)
        for name in own.keys() - set(floats):
            own[name].copy_(other[name])

    def state_dict(self) -> dict[str, Any]:
        """All of it, for the training state."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.steps = int(state["steps"])
