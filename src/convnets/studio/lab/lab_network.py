"""Lab network: small convolutional networks on the embedded digits, with everything that the lab can turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import nn

from convnets.errors import ConfigError, UnknownNameError
from convnets.layers.initialization.initialize import INITIALIZERS, initialize
from convnets.training.config import TrainConfig

__all__ = ["ACTIVATIONS", "LabOptions", "lab_network"]

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
_RANGES = {
    "learning_rate": (1e-5, 10.0),
    "depth": (1, 8),
    "width": (1, 64),
    "dropout": (0.0, 0.9),
    "weight_decay": (0.0, 10.0),
    "batch_size": (2, 512),
    "epochs": (1, 40),
    "seed": (0, 10**6),
}


@dataclass(frozen=True)
class LabOptions:
    """One side of an experiment."""

    learning_rate: float = 0.01
    optimizer: str = "sgd"
    """sgd (with momentum 0.9) or adamw."""
    schedule: str = "constant"
    batch_norm: bool = False
    activation: str = "relu"
    depth: int = 2
    """Convolutions of 3×3, with two poolings among them."""
    width: int = 8
    """Channels of each convolution."""
    initializer: str = "kaiming-normal"
    dropout: float = 0.0
    """Before the last layer."""
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 8
    seed: int = 0

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> LabOptions:
        """Raises UnknownNameError and ConfigError for what is no option, or not allowed."""
        known = {field.name: field for field in fields(LabOptions)}
        for key, value in values.items():
            if key not in known:
                raise UnknownNameError("option of the lab", key, known)
            wanted = type(known[key].default)
            fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
            if not fits or (isinstance(value, bool) and wanted is not bool):
                raise ConfigError(f"{key} is {value!r}; allowed: such as {known[key].default!r}")
            low, high = _RANGES.get(key, (None, None))
            if low is not None and not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(f"{key} is {value}; allowed: {low:g} to {high:g}")
        numbers: dict[str, Any] = {
            key: float(value) if type(known[key].default) is float else value for key, value in values.items()
        }
        found = LabOptions(**numbers)
        for name, allowed in (("activation", ACTIVATIONS), ("initializer", INITIALIZERS)):
            if getattr(found, name) not in allowed:
                raise UnknownNameError(name, getattr(found, name), allowed)
        if found.optimizer not in ("sgd", "adamw"):
            raise UnknownNameError("optimizer", found.optimizer, ("sgd", "adamw"))
        found.config()
        return found

    def config(self) -> TrainConfig:
        """How it is trained: float32 on the processor, so that numbers are the same twice."""
        return TrainConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
            nesterov=False,
            health=True,
            fast=False,
            device="cpu",
            precision="fp32",
            threads=1,
            deterministic=True,
            non_finite="skip",
            size=8,
            seed=self.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def lab_network(options: LabOptions) -> nn.Sequential:
    """Convolutions of 3×3 on 1×8×8, each with norm and activation where they are wanted, and two poolings: 10 logits.

    The same options give the same weights.

    >>> lab_network(LabOptions(depth=3))(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    layers: list[nn.Module] = []
    pooled = {math.ceil(options.depth / 2), options.depth}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        channels, side = 1, 8
        for number in range(1, options.depth + 1):
            layers.append(nn.Conv2d(channels, options.width, 3, padding=1))
            if options.batch_norm:
                layers.append(nn.BatchNorm2d(options.width))
            layers.append(ACTIVATIONS[options.activation]())
            if number in pooled:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            channels = options.width
        layers.append(nn.Flatten())
        if options.dropout:
            layers.append(nn.Dropout(options.dropout))
        layers.append(nn.Linear(channels * side * side, 10))
        network = nn.Sequential(*layers)
    initialize(network, options.initializer, seed=options.seed)
    return network
