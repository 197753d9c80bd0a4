"""The range test: the loss of a few steps with a learning rate that grows, and which rate that suggests."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from convnets.core.progress import Progress
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, TrainingError
from convnets.evaluation.plots.drawing import BLUE, GRID, INK, ORANGE, style_axes
from convnets.models.answers import logits_of
from convnets.training.config import TrainConfig
from convnets.training.optimization.optimizers import build_optimizer
from convnets.training.task import prepare

__all__ = ["RangeTest", "find_learning_rate", "steepest"]

_SMOOTHING = 0.9
_DIVERGED = 4.0  # times the smallest loss: nothing is learned any more
_FEWEST = 20


@dataclass(frozen=True)
class RangeTest:
    """Loss by learning rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """In nats, of single batches."""
    smoothed: tuple[float, ...]
    suggestion: float
    """The rate at which the smoothed loss falls fastest: a good highest rate of a schedule."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"suggestion": self.suggestion, "rates": list(self.rates), "losses": list(self.losses)}

    def __str__(self) -> str:
        best = self.rates[self.smoothed.index(min(self.smoothed))]
        return (
            f"suggested learning rate {self.suggestion:.2g}: there the loss falls fastest; "
            f"it is smallest at {best:.2g}, and was measured up to {self.rates[-1]:.2g}"
        )

    def figure(self) -> Figure:
        """The loss against the rate, with the suggestion marked."""
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, "Loss while the learning rate grows", "learning rate", "loss")
        axes.plot(self.rates, self.losses, color=GRID, linewidth=1)
        axes.plot(self.rates, self.smoothed, color=BLUE, linewidth=2)
        place = self.rates.index(self.suggestion)
        axes.plot([self.suggestion], [self.smoothed[place]], "o", color=ORANGE, markersize=8)
        axes.annotate(
            f"{self.suggestion:.2g}", (self.suggestion, self.smoothed[place]), (10, 6),
            textcoords="offset points", fontsize=10, color=INK,
        )  # fmt: skip
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_ylim(min(self.smoothed) * 0.9, max(self.smoothed[0], min(self.smoothed) * 2) * 1.15)
        return figure


def find_learning_rate(
    network: str,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig | None = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 200,
    arguments: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> RangeTest:
    """Train `steps` batches while the learning rate grows from `low` to `high`, each time by the same factor.

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3; it ends early once the loss is
    four times its smallest. Only training images are looked at, and nothing is kept. Raises ConfigError for ends that
    are none, TrainingError where the loss never falls.

    >>> found = find_learning_rate("mlp", "digits", TrainConfig(batch_size=64, threads=1), steps=60)
    >>> 1e-5 < found.suggestion < 1
    True
    """
    config = config or TrainConfig()
    if not 0 < low < high or steps < _FEWEST:
        raise ConfigError(
            f"from {low} to {high} in {steps} steps; allowed: 0 < low < high, {_FEWEST} steps or more"
        )
    task = prepare(network, data, config, arguments=arguments, progress=progress)
    device = task.hardware.device
    model = task.network.to(device).train()
    optimizer = build_optimizer(model, config)
    batches = Batches(
        task.train, task.preprocess, config.batch_size, device=device, shuffle=True, seed=config.seed,
        augment=task.augment, workers=task.workers,
    )  # fmt: skip
    rates: list[float] = []
    losses: list[float] = []
    endless = itertools.chain.from_iterable(batches.epoch(epoch) for epoch in itertools.count())
    for step, batch in zip(range(steps), endless, strict=False):
        rate = low * (high / low) ** (step / (steps - 1))
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
        with task.hardware.autocast():
            logits = logits_of(model(batch.images))
        loss = F.cross_entropy(logits.float(), batch.targets)
        value = float(loss.detach())
        if not math.isfinite(value) or (losses and value > _DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(value)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
    smoothed = _smooth(losses)
    return RangeTest(tuple(rates), tuple(losses), tuple(smoothed), rates[steepest(smoothed)])


def steepest(smoothed: list[float]) -> int:
    """The step before the smallest loss at which it falls fastest; rates grow evenly in their logarithm.

    >>> steepest([3.0, 2.9, 2.0, 1.9, 5.0])
    1
    """
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__) if smoothed else 0
    if lowest < 1:
        raise TrainingError("the loss never falls; begin with a smaller learning rate, or look at the data")
    return min(range(lowest), key=lambda step: smoothed[step + 1] - smoothed[step])


def _smooth(losses: list[float]) -> list[float]:
    """Their average over steps, corrected for its beginning as Adam corrects its own."""
    average, found = 0.0, []
    for step, loss in enumerate(losses, 1):
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        found.append(average / (1 - _SMOOTHING**step))
    return found
