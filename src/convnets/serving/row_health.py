"""The health of networks of tables and series: a run's on its own rows, a series network of the catalogue on noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.core.hardware import choose_hardware
from convnets.core.seeds import generator_for
from convnets.errors import UsageError
from convnets.inspection.health.measure import measure_health
from convnets.inspection.health.record import NetworkHealth
from convnets.layers.initialization.initialize import initialize
from convnets.models.catalogue import create_model, model_entry
from convnets.serving.table_predictor import TablePredictor
from convnets.training.config import TrainConfig
from convnets.training.optimization.optimizers import build_optimizer
from convnets.training.tables.table_task import prepare_table

__all__ = ["health_of_rows", "health_on_noise"]


def health_of_rows(
    source: Path, data: Path | str | None, options: Mapping[str, Any], count: int
) -> NetworkHealth:
    """A run's network, in training mode, on `count` of its training rows or of `data`, at equal distances.

    Raises UsageError for a model folder without its run, which does not say how it was trained.
    """
    predictor = TablePredictor.load(source)
    if predictor.run is None:
        raise UsageError(f"{source} is no run, which says how rows are learned from; give the run")
    before = predictor.run.config.to_dict()
    if "optimizer" in options:
        before["learning_rate"] = None  # that of another optimizer
    config = replace(
        TrainConfig.from_dict({**before, **options}), validation=0.0, initializer=None, freeze=()
    )
    examples = predictor.own_parts()["train"] if data is None else predictor.examples(data)
    task = prepare_table(predictor.model.network, examples, config)
    network, device = task.network.to(task.hardware.device).train(), task.hardware.device
    chosen = torch.arange(min(count, len(task.train))) * len(task.train) // min(count, len(task.train))
    inputs = predictor.model.encoder.encode(task.train.table)[chosen].to(device)  # type: ignore[arg-type]
    targets, objective = task.train.targets[chosen].to(device), task.objective
    optimizer = build_optimizer(network, config)
    nouns = examples.nouns
    if objective is None:
        return replace(measure_health(network, inputs, targets, optimizer=optimizer), examples=nouns)

    def loss(answers: Tensor, expected: Tensor) -> Tensor:
        return objective.judge(answers, expected)[0]

    return replace(measure_health(network, inputs, targets, loss=loss, optimizer=optimizer), examples=nouns)


def health_on_noise(name: str, config: TrainConfig, count: int) -> NetworkHealth | None:
    """A network of the catalogue for series as it would start, on standardized noise; None for one of images."""
    entry = model_entry(name)
    if entry.axes != 1:
        return None
    network = create_model(name, seed=config.seed, input_size=config.size, in_channels=config.channels)
    if config.initializer is not None:
        initialize(network, config.initializer, seed=config.seed)
    device, generator = choose_hardware(config.device).device, generator_for(config.seed, "noise")
    shape = entry.input_shape(config.channels, config.size)
    inputs = torch.randn((count, *shape), generator=generator).to(device)
    targets = torch.randint(0, network.num_classes, (count,), generator=generator).to(device)
    network = network.to(device).train()
    found = measure_health(network, inputs, targets, optimizer=build_optimizer(network, config))
    return replace(found, examples="series of noise")
