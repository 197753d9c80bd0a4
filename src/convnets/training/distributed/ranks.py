"""A run on several processes: what each of them computes with, begins from and evaluates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import nn

from convnets.checkpoints.training_state import Scored, TrainingState
from convnets.core.distributed.process_group import (
    ProcessGroup,
    local_rank_in_environment,
    threads_in_environment,
)
from convnets.core.hardware import usable_cores
from convnets.data.image_set import ImageSet
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

__all__ = ["Beginning", "Score", "begin_together", "config_for_rank", "evaluate_shares", "trains_on_cuda"]

_RUNNING = "running"


@dataclass(frozen=True)
class Score:
    """Accuracy and mean loss over the shares of all processes."""

    accuracy: float
    loss: float


@dataclass
class Beginning:
    """Where a run begins or goes on."""

    run: Run
    state: TrainingState
    learner: dict[str, Any] | None = None
    """What the learner goes on from; None at the start."""
    notices: Sequence[str] = ()
    over: str = ""
    """The status of a run that has ended, with which there is nothing to go on."""


class RunElsewhere(Run):
    """A run whose files process 0 writes, perhaps on another machine; `status` is what that process says."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.told = _RUNNING

    @property
    def status(self) -> str:
        """Why it ended; `running` before."""
        return self.told


class _Plain(TypedDict):
    run: str
    state: dict[str, Any]
    learner: dict[str, Any] | None
    notices: list[str]
    over: str


def begin_together(group: ProcessGroup, begin: Callable[[], Beginning]) -> Beginning:
    """`begin` in process 0, which finds or makes the run and reads its state; the others begin from the same."""
    made: list[Beginning] = []

    def plain() -> _Plain:
        made.append(begin())
        each = made[0]
        return {
            "run": str(each.run.path),
            "state": each.state.to_dict(),
            "learner": each.learner,
            "notices": list(each.notices),
            "over": each.over,
        }

    if group.size == 1:
        return begin()
    found = group.from_first(plain)
    if made:
        return made[0]
    state = TrainingState.from_dict(found["state"])
    elsewhere = RunElsewhere(found["run"])
    elsewhere.told = found["over"] or elsewhere.told
    return Beginning(elsewhere, state, found["learner"], over=found["over"])


def trains_on_cuda(config: TrainConfig) -> bool:
    """Whether the option `device` means a GPU of this machine."""
    return config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())


def config_for_rank(config: TrainConfig, group: ProcessGroup) -> TrainConfig:
    """The options as this process uses them: a GPU for itself, its share of the cores.

    Raises ConfigError for what several processes cannot do.
    """
    if group.size == 1:
        return config
    if config.objective != "classification":
        raise ConfigError(
            f"objective is {config.objective} with {group.size} processes; allowed: classification, since a loss "
            "on pairs would see each process's images alone; train it in one process"
        )
    device = f"cuda:{local_rank_in_environment()}" if trains_on_cuda(config) else config.device
    return replace(config, device=device, threads=config.threads or threads_in_environment(usable_cores()))


def evaluate_shares(
    group: ProcessGroup,
    network: nn.Module,
    images: ImageSet,
    evaluate: Callable[[nn.Module, ImageSet], Scored],
) -> Scored:
    """`evaluate` on this process's share of `images`; accuracy and loss of all, each image counted once."""
    if group.size == 1:
        return evaluate(network, images)
    group.copy_from_first(network.buffers())  # moving statistics are each process's own between steps
    share = images.subset(range(group.rank, len(images), group.size))
    device = next(network.parameters()).device
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    if len(share):
        scored = evaluate(network, share)
        right = round(scored.accuracy * len(share))
        sums += torch.tensor(
            [right, scored.loss * len(share), len(share)], dtype=torch.float64, device=device
        )
    right_, loss, count = group.sum(sums).tolist()
    return Score(right_ / count, loss / count)
