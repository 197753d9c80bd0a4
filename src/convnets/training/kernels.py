"""Kernels: the accelerated network that a run trains through, and the record of what was chosen for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.compilation import choose_compilation
from convnets.acceleration.cuda_graph import RecordedGradients, record_on_cuda
from convnets.acceleration.obstacles import find_obstacle
from convnets.acceleration.training import Acceleration, accelerate
from convnets.core.distributed.process_group import ALONE, ProcessGroup
from convnets.core.hardware import Hardware
from convnets.kernels.compiled import compiled_kernels, compiler_command, is_compiled, why_not_compiled
from convnets.kernels.convolutions.candidates import applicable
from convnets.kernels.convolutions.plan import DIRECTIONS, ConvolutionPlan, describe
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.tuner import Tuner, plan_without_measuring
from convnets.training.events import KernelsChosen

__all__ = ["Kernels"]


class Kernels:
    """Compiles, measures and remembers for one run; `say` hears of anything that takes the user's time.

    `steps` is how many the run has, where that is known: a short one is not worth a compiler on a GPU.
    With `fixed` nothing is chosen by measurement, so that the choice is the same everywhere. Of several processes
    the first one measures, while the others wait, and all train on what it chose.
    """

    def __init__(
        self,
        hardware: Hardware,
        say: Callable[[str], None] | None = None,
        *,
        fixed: bool = False,
        group: ProcessGroup = ALONE,
        steps: int | None = None,
    ) -> None:
        self.hardware, self._group, self._steps = hardware, group, steps
        self._say = say or _say_nothing
        self._tuner = Tuner()
        self._fixed = fixed
        self._plans: dict[tuple[ConvolutionShape, int], ConvolutionPlan] = {}
        self._restored: dict[str, dict[str, Any]] = {}
        self._common: dict[str, dict[str, Any]] = {}  # of several processes, by shape but for the batch size
        self._acceleration: Acceleration | None = None
        self._measured, self._seconds = 0, 0.0

    def accelerate(self, network: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        """What to train `network` through: its accelerated form, on CUDA `choose_compilation`'s pick, or itself."""
        if self.hardware.device.type == "cuda" and (self._group.size > 1 or self._fixed):
            return network  # what is measured could differ from process to process, and from run to run
        if self.hardware.device.type == "cuda":
            self._say("measuring ways to run this network on this GPU: up to a minute")
            record = record_on_cuda if self._may_be_recorded(network) else None
            compiled = choose_compilation(network, images, record=record, steps=self._steps)
            self._say(f"training {compiled.way}")
            return compiled.forward
        if self.hardware.device.type != "cpu":
            return network
        if compiler_command() is not None and not is_compiled():
            self._say("compiling native kernels for this processor, once: about half a minute")
        compiled_kernels()
        self._acceleration = accelerate(network, self._plan_for, images)
        return self._acceleration.network

    def recorded(self, network: nn.Module) -> RecordedGradients | None:
        """Gradients of `network` by CUDA graphs; None where each step is to be launched by itself."""
        return RecordedGradients(network, self._say) if self._may_be_recorded(network) else None

    def _may_be_recorded(self, network: nn.Module) -> bool:
        """On one CUDA device, and where nothing but known layers decides what a step computes."""
        alone = self._group.size == 1 and not self._fixed
        return self.hardware.device.type == "cuda" and alone and find_obstacle(network) is None

    def chosen(self) -> KernelsChosen | None:
        """What the accelerated network runs on, as far as its shapes were met; None without one."""
        if self._acceleration is None:
            return None
        native = compiled_kernels() is not None
        rows = [
            {"shape": row.shape, "direction": row.direction, "kernel": row.kernel, "speed_up": row.speed_up}
            for row in describe({shape: plan for (shape, _), plan in self._plans.items()})
        ]
        return KernelsChosen(
            native=native,
            obstacle=self._acceleration.obstacle or ("" if native else why_not_compiled()) or None,
            fused=self._acceleration.fused,
            convolutions=self._acceleration.convolutions,
            measured=self._measured,
            seconds=self._seconds,
            choices=rows,
        )

    def plans(self) -> dict[str, dict[str, Any]]:
        """What was chosen so far, by shape: a resumed run computes by the same kernels, to the same bits."""
        own = {self._key(shape, threads): plan.to_dict() for (shape, threads), plan in self._plans.items()}
        return own | self._restored if self._group.size == 1 else dict(self._common)

    def restore(self, plans: dict[str, dict[str, Any]]) -> None:
        """Choose as `plans()` says for the shapes in it, as far as those kernels are there."""
        if self._group.size == 1:
            self._restored = dict(plans)
        else:
            self._common = dict(plans)

    def _plan_for(self, shape: ConvolutionShape) -> ConvolutionPlan:
        if self._group.size == 1:
            return self._own_plan(shape)
        common = replace(shape, batch=1).key()  # the processes' shares of a batch differ by an image
        if common not in self._common:  # all processes meet a shape at the same step
            chosen = self._own_plan(shape).to_dict() if self._group.first else {}
            self._common[common] = self._group.broadcast(chosen)
        plan = ConvolutionPlan.from_dict(self._common[common])
        if not all(plan.chosen(direction) in applicable(direction, shape) for direction in DIRECTIONS):
            plan = plan_without_measuring(shape)
        self._plans[shape, self.hardware.threads] = plan
        return plan

    def _key(self, shape: ConvolutionShape, threads: int) -> str:
        """The shape's name in a state; with the number of threads where it is not that of the run."""
        return shape.key() if threads == self.hardware.threads else f"{shape.key()} on {threads}"

    def _own_plan(self, shape: ConvolutionShape) -> ConvolutionPlan:
        threads = torch.get_num_threads()  # a run uses fewer than it may while the machine is busy
        key = self._key(shape, threads)
        if key in self._restored:
            plan = ConvolutionPlan.from_dict(self._restored[key])
            if all(plan.chosen(direction) in applicable(direction, shape) for direction in DIRECTIONS):
                self._plans[shape, threads] = plan
                return plan
        if self._fixed:
            self._plans[shape, threads] = plan = plan_without_measuring(shape)
            return plan
        known = self._tuner.is_known(shape, threads)
        if not known and not self._measured:
            self._say("measuring convolution kernels for this network on this machine, once: some seconds")
        started = time.perf_counter()
        plan = self._plans[shape, threads] = self._tuner.plan(shape, threads)
        if not known:
            self._measured += 1
            self._seconds += time.perf_counter() - started
        return plan


def _say_nothing(_message: str) -> None:
    """What a caller hears who asked for nothing."""
