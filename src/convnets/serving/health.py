"""The health of a network of the catalogue as it starts, or of a run or model folder as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.core.hardware import choose_hardware
from convnets.core.progress import Progress
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, UsageError
from convnets.inspection.health.measure import measure_health
from convnets.inspection.health.record import NetworkHealth
from convnets.serving.row_health import health_of_rows, health_on_noise
from convnets.serving.table_predictor import is_for_tables
from convnets.training.config import TrainConfig
from convnets.training.optimization.optimizers import build_optimizer
from convnets.training.recording.health import PROBE_IMAGES, probe_batch
from convnets.training.runs.run import Run
from convnets.training.task import prepare

__all__ = ["examine_health"]

_ONLY_FOR_NAMES = ("initializer", "seed", "size", "channels", "start")


def examine_health(
    source: Path | str,
    data: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    images: int = PROBE_IMAGES,
    progress: Progress | None = None,
) -> NetworkHealth:
    """Measure a network, in training mode, on one batch of training images.

    Args:
        source: a network's name: as `train` would start it; or a run or model folder: its weights.
        data: a data set's name, a folder or zip, or for a run of a table or series a file; by default the run's own,
            and `digits` for a name; a network for series is measured on standardized noise then.
        options: fields of TrainConfig: `optimizer` and `learning_rate` of the update, `device`; for a name also what
            it starts from, such as `initializer`, `seed` and `size`. By default those of the run.
        images: how many images, rows or series, at equal distances in the training set.

    The update is the first step of the optimizer at its highest learning rate. Raises UsageError, RunError, DataError
    or ModelFolderError for what cannot be used.

    >>> examine_health("mlp", "digits", images=16).layers[0].name
    'hidden.1'
    """
    if images < 2:
        raise ConfigError(f"images is {images}; allowed: 2 or more")
    chosen: nn.Module | str
    preprocess: Preprocess | None = None
    if is_for_tables(source):
        _check_options(source, options or {})
        return health_of_rows(Path(source), data, options or {}, images)
    if Path(source).exists() or "/" in str(source):
        config, trained, named = _from_folder(Path(source), options or {})
        data, chosen, preprocess = named if data is None else data, trained.network, trained.preprocess
        if data is None:
            raise UsageError(f"{source} does not say which images it was trained on; give some with --data")
    else:
        config, chosen = TrainConfig.from_dict(options or {}), str(source)
        if data is None and (of_series := health_on_noise(chosen, config, images)) is not None:
            return of_series
    task = prepare(chosen, "digits" if data is None else data, config, progress=progress)
    network = task.network.to(task.hardware.device).train()
    batch = probe_batch(task.train, preprocess or task.preprocess, task.hardware.device, images)
    if config.objective != "classification":  # its loss is of batches made for it
        return measure_health(network, batch.images)
    return measure_health(network, batch.images, batch.targets, optimizer=build_optimizer(network, config))


def _check_options(source: Path | str, options: Mapping[str, Any]) -> None:
    for name in _ONLY_FOR_NAMES:
        if name in options:
            raise UsageError(f"{source} has its weights already; leave {name} out")


def _from_folder(source: Path, options: Mapping[str, Any]) -> tuple[TrainConfig, TrainedModel, str | None]:
    """How it was trained as far as that matters here, the model, and what its data are called."""
    _check_options(source, options)
    folder = resolve_model_folder(source)
    run = Run(source) if folder != source else None
    before = {} if run is None else run.config.to_dict()
    if "optimizer" in options:
        before["learning_rate"] = None  # that of another optimizer
    config = TrainConfig.from_dict({**before, **options})
    trained = load_model(folder, choose_hardware(config.device).device)
    own = trained.preprocess
    config = replace(config, initializer=None, start=None, freeze=(), size=own.size, channels=own.channels)
    return config, trained, None if run is None else run.settings["data"]["name"]
