"""Learner: everything that a training step changes — weights, optimizer, running average — in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.cuda_graph import RecordedGradients
from convnets.acceleration.obstacles import find_obstacle
from convnets.core.distributed.process_group import ALONE, ProcessGroup
from convnets.core.former_names import current_names
from convnets.core.hardware import Hardware
from convnets.core.memory_layout import channels_last_inside
from convnets.core.network_copy import copy_network
from convnets.core.seeds import derive_seed, seed_device
from convnets.data.batches import Batch
from convnets.errors import ConfigError
from convnets.models.answers import logits_of
from convnets.models.contract import ImageClassifier
from convnets.training.config import TrainConfig
from convnets.training.distributed.shared_gradients import (
    AllHeads,
    HasAuxiliaryHeads,
    SharedGradients,
    summed,
)
from convnets.training.kernels import Kernels
from convnets.training.objectives.class_loss import ClassLoss
from convnets.training.objectives.objective import Objective
from convnets.training.optimization.freezing import Freezing
from convnets.training.optimization.memory_shortage import is_out_of_memory, shortage
from convnets.training.optimization.optimizers import (
    build_optimizer,
    cap_weight_norms,
    weight_penalty,
    weights_of,
)
from convnets.training.optimization.schedules import schedule_factor
from convnets.training.optimization.step_guard import StepGuard
from convnets.training.pace import choose_pace

__all__ = ["Learner", "check_auxiliary_heads"]


def check_auxiliary_heads(network: nn.Module, config: TrainConfig) -> None:
    """Raise ConfigError when auxiliary heads are to be trained that the network does not have."""
    if config.auxiliary_weight and not isinstance(network, HasAuxiliaryHeads):
        raise ConfigError(
            f"auxiliary_weight is {config.auxiliary_weight} but {type(network).__name__} has no auxiliary heads; "
            "set it to 0 or train googlenet"
        )


class Learner:
    """A network and all that changes with it from step to step. N images of a batch, K classes.

    Of several processes each computes its share of a batch; loss, gradients and sums are those of all of it.
    """

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        hardware: Hardware,
        kernels: Kernels | None = None,
        say: Callable[[str], None] | None = None,
        objective: Objective | None = None,
        group: ProcessGroup = ALONE,
        class_counts: Tensor | None = None,
    ) -> None:
        check_auxiliary_heads(network, config)
        self._say = say or (lambda _: None)
        self.config, self.hardware, self.group = config, hardware, group
        self.network = network.to(hardware.device)
        # code of the user's own may rely on contiguous pictures and weights; known layers do not
        self._channels_last = find_obstacle(network) is None
        self.kernels = kernels or Kernels(hardware)
        self._accelerated: SharedGradients | None = None  # made at the first step: compiling may take a while
        self._recorded: RecordedGradients | None = None
        self.freezing = Freezing(self.network, config)
        self.weights = weights_of(self.network)
        self.optimizer = build_optimizer(self.network, config)
        self.criterion = ClassLoss(config, class_counts).to(hardware.device)
        self.objective = objective
        if objective is not None:
            objective.to(hardware.device)
            if learned := objective.parameters():
                self.optimizer.add_param_group({"params": learned, "weight_decay": 0.0, "rate": 1.0})
        self.average = copy_network(self.network).eval() if config.ema_decay is not None else None
        self.steps = 0
        self.learning_rate = 0.0
        self.parts = config.accumulate
        """Parts that a batch is computed in; more than were asked for where memory did not suffice."""
        self.pace = choose_pace(hardware, config, group, self._say)
        self.guard = StepGuard(self.network, self.optimizer, config, self._say)
        self.start_epoch()

    @property
    def network_to_keep(self) -> nn.Module:
        """What is validated and saved: the running average where there is one, else the network."""
        return self.network if self.average is None else self.average

    @contextlib.contextmanager
    def laid_out(self) -> Iterator[None]:
        """Inside, weights lie in memory as the network's layers are fastest on them; after it as they were found.

        After it, too, parameters learn or are frozen as they were before the run.
        """
        with contextlib.ExitStack() as layouts:
            for network in (self.network, self.average):
                if network is not None and self._channels_last:
                    layouts.enter_context(channels_last_inside(network))
            layouts.callback(self.freezing.undo)
            layouts.enter_context(self.pace)
            yield

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before and go into training mode."""
        device = self.hardware.device
        self._loss_sum = torch.zeros((), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self.seen = 0
        self.network.train()
        self.freezing.hold_statistics()
        if self.objective is not None:
            self.objective.start_epoch()

    @property
    def loss(self) -> float:
        """Mean loss of the epoch so far, cross-entropy in nats or that of the objective; waits for the device."""
        return float(self._loss_sum) / max(1, self.seen)

    @property
    def accuracy(self) -> float:
        """Share of the epoch's images so far that were classified right while training; waits for the device.

        Of vectors it is the share whose nearest neighbor in the batch is of their class, of numbers R².
        """
        return float(self._correct) / max(1, self.seen)

    def step(self, batch: Batch, epoch: int, step: int, progress: float) -> None:
        """One update on one batch, at `progress` (0 to 1) of the run; dropout depends on seed, epoch and step alone."""
        with self.pace.working():
            self._step(batch, epoch, step, progress)

    def _step(self, batch: Batch, epoch: int, step: int, progress: float) -> None:
        if self.freezing.begin(epoch):
            self._accelerated = None  # it was made for other gradients
        seed = derive_seed(self.config.seed, "step", epoch, step, *self.group.purpose)
        seed_device(seed, self.hardware.device)
        self.learning_rate = self.config.peak_learning_rate * schedule_factor(self.config, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group["rate"]
        self.optimizer.zero_grad(set_to_none=True)
        self.guard.before_step()
        sums = self._gradients(batch)
        if not self.guard.allows_step(sums[0], f"epoch {epoch + 1}, step {step + 1}", self.learning_rate):
            return
        self._loss_sum += sums[0]
        self._correct = self._correct + sums[1]  # of numbers R² is summed, which is no whole number
        self.seen += sums[2]
        self.optimizer.step()
        if self.config.max_norm is not None:
            cap_weight_norms(
                [weight for weight in self.weights if weight.requires_grad], self.config.max_norm
            )
        self.steps += 1
        if self.average is not None:
            self._update_average()

    @torch.no_grad()
    def answer(self, images: Tensor) -> Tensor:
        """What the network says to images float N×C×S×S in its present mode and precision: float32 N×K.

        On the processor by the kernels that it trains through, once there was a step.
        """
        elsewhere = self.hardware.device.type != "cpu"
        plain = self._accelerated is None or elsewhere or self.config.auxiliary_weight
        images = self._laid_out(images)
        with self.hardware.autocast():
            logits = logits_of(self.network(images) if plain else self._forward(images))
        return logits.float()

    def _laid_out(self, images: Tensor) -> Tensor:
        layout = torch.channels_last if self._channels_last and images.dim() == 4 else torch.contiguous_format
        return images.contiguous(memory_format=layout)

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """Gradients of the batch's mean loss; the sum of the losses of its images, how many are right, and all.

        Where memory does not suffice the batch is computed in twice as many parts, as often as that helps.
        """
        while True:
            try:
                return self._gradients_in_parts(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.parts >= len(batch.targets):
                    raise
                if self.group.size > 1:  # the others wait inside the backward pass
                    raise shortage(len(batch.targets), self.parts) from None
            self.parts *= 2  # outside of the handler, whose traceback keeps the failed attempt's activations
            self.guard.undo()
            self.optimizer.zero_grad(set_to_none=True)
            self._say(
                f"memory did not suffice for {len(batch.targets)} images at once: each batch is now computed in "
                f"{self.parts} parts; gradients add up to the same, batch norm sees smaller batches"
            )

    def _gradients_in_parts(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        own = len(batch.targets)
        batch = replace(batch, images=self._laid_out(batch.images))
        count = self.group.total(own) if batch.whole is None else batch.whole
        if self._accelerated is None:
            with self.hardware.autocast():
                self._accelerated = self._made_accelerated(batch.images)
            if self.config.fast and self.objective is None:
                self._recorded = self.kernels.recorded(self.network)
        if self._recorded is not None and self.parts == 1:
            replayed = self._recorded(partial(self._backward, share=1.0), batch.images, batch.targets)
            if replayed is not None:
                return *replayed, count
        parts = self._accelerated.parts(batch, min(self.parts, own, count // self.group.size))
        sums = []
        for number, (images, targets) in enumerate(parts, 1):
            with self._accelerated.part(last=number == len(parts)):
                sums.append(self._backward(images, targets, self._accelerated.factor * len(targets) / count))
        loss, right = torch.stack([loss for loss, _ in sums]).sum(), torch.stack([r for _, r in sums]).sum()
        return *summed(self.group, loss, right), count

    def _backward(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        loss, extra, right = self._judge(images, targets)
        total = loss if extra is None else loss + extra
        if self.config.l1_penalty or self.config.l2_penalty:
            total = total + weight_penalty(self.weights, self.config.l1_penalty, self.config.l2_penalty)
        torch.autograd.backward(total * share)
        return loss.detach() * len(targets), right

    def _judge(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """The mean loss, what auxiliary heads add to it, and how many images are right."""
        config = self.config
        with self.hardware.autocast():
            answer = self._forward(images)
        if self.objective is not None:
            loss, right = self.objective.judge(answer, targets)
            return loss, None, right
        logits, *auxiliary = answer if config.auxiliary_weight else (logits_of(answer),)
        loss = self.criterion(logits, targets)
        losses = [self.criterion(head, targets) for head in auxiliary]
        extra = config.auxiliary_weight * torch.stack(losses).sum() if losses else None
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        return loss, extra, (logits.detach().argmax(1) == labels).sum()

    def _forward(self, images: Tensor) -> Any:
        assert self._accelerated is not None
        if isinstance(self.network, ImageClassifier):  # the accelerated network has no checks of its own
            self.network.check_input(images)
        return self._accelerated(images)

    def _made_accelerated(self, images: Tensor) -> SharedGradients:
        if self.config.auxiliary_weight:
            return SharedGradients(self.group, AllHeads(self.network))
        through = self.network if self.objective is None else self.objective.through(self.network)
        accelerated = self.kernels.accelerate(through, images) if self.config.fast else through
        heads = accelerated is self.network and isinstance(self.network, HasAuxiliaryHeads)
        return SharedGradients(self.group, accelerated, some_unused=heads)

    @torch.no_grad()
    def _update_average(self) -> None:
        assert self.average is not None
        assert self.config.ema_decay is not None
        # less at the start, so that it is forgotten soon
        decay = min(self.config.ema_decay, (1 + self.steps) / (10 + self.steps))
        own, other = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[name] for name in floats], [other[name] for name in floats], 1 - decay)
        for name in own.keys() - set(floats):
            own[name].copy_(other[name])

    def state_dict(self) -> dict[str, Any]:
        """All of it, for the training state."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "steps": self.steps,
            "epoch": {
                "loss_sum": self._loss_sum,
                "correct": self._correct,
                "seen": self.seen,
                "learning_rate": self.learning_rate,
            },
            "parts": self.parts,
            "skipped": self.guard.skipped,
            "kernels": self.kernels.plans(),
            "threads": self.pace.threads,
            "objective": None if self.objective is None else self.objective.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        state = current_names(state, "training state")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.steps, self.parts = int(state["steps"]), int(state["parts"])
        self.guard.skipped = int(state["skipped"])
        epoch, device = state["epoch"], self.hardware.device
        self._loss_sum, self._correct = epoch["loss_sum"].to(device), epoch["correct"].to(device)
        self.seen, self.learning_rate = int(epoch["seen"]), float(epoch["learning_rate"])
        self.kernels.restore(state["kernels"])
        self.pace.restore(state.get("threads"))
        if self.objective is not None:
            self.objective.load_state_dict(state["objective"])
