"""TableTask: network, table and options brought together and checked, before anything is written or trained.

A table's counterpart of `Task`, and a pure function of its inputs and the seed as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convnets.checkpoints.table_model import TableModel
from convnets.core.hardware import Hardware, choose_hardware
from convnets.core.seeds import derive_seed, generator_for
from convnets.data.stratified import stratified_part
from convnets.errors import ConfigError, DataError, UsageError
from convnets.evaluation.evaluate_rows import evaluate_rows
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.layers.initialization.initialize import initialize
from convnets.models.catalogue import create_model, model_entry
from convnets.series.augmentation import SeriesAugmentation, series_augmentations
from convnets.series.examples import ExampleEncoder, ExampleSet, encoded, kind_of
from convnets.series.load_series import open_series
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.tables.load_table import open_table
from convnets.tables.table_encoder import TableEncoder
from convnets.tables.table_options import TableOptions
from convnets.tables.table_set import TableSet
from convnets.tables.target import Target
from convnets.training.config import TrainConfig
from convnets.training.learner import check_auxiliary_heads
from convnets.training.objectives.numbers import LOSS_FUNCTIONS, NumbersObjective
from convnets.training.optimization.freezing import check_freezing
from convnets.training.preparation.network_check import bare_network, check_network, materialize
from convnets.training.tables.row_batches import Rows
from convnets.training.tables.whole_groups import whole_groups

__all__ = ["TableTask", "prepare_table", "split_rows", "table_again"]

_NOTATION = ("encoding", "delimiter", "decimal", "thousands", "date_format")
# what only images listen to: passed over in silence it would seem to have worked
_OF_IMAGES = (
    *("mixup", "cutmix", "size", "channels", "auxiliary_weight", "objective", "start", "health"),
    *("balanced_validation", "balanced_sampling", "calibration", "normalize", "skip_corrupt"),
)


@dataclass(frozen=True)
class TableTask:
    """Everything that a run on a table trains with."""

    network: nn.Module
    encoder: ExampleEncoder
    target: Target
    train: Rows
    validation: Rows | None
    hardware: Hardware
    data: dict[str, Any]
    """What the examples were, for the run's configuration: path, how they were read, content hash, classes."""
    notices: tuple[str, ...]
    objective: NumbersObjective | None
    """The loss on numbers; None for classes."""
    augment: tuple[SeriesAugmentation, ...] = ()
    """Of series alone."""
    start: None = None
    """Trained weights to start from, which there are none of here."""

    @property
    def network_name(self) -> str:
        """The catalogue's name of the network, or the name of its class."""
        known = getattr(self.network, "architecture", None)
        return type(self.network).__name__ if known is None else str(known.name)

    @property
    def class_counts(self) -> Tensor | None:
        """int64 K: training rows of each class; None for numbers."""
        return (
            torch.bincount(self.train.targets, minlength=len(self.target.classes))
            if self.target.classes
            else None
        )

    def trained(self, network: nn.Module) -> TableModel:
        """`network` with what makes its input and reads its answers."""
        return TableModel(network, self.encoder, self.target)

    def evaluate(self, network: nn.Module, rows: Rows) -> Evaluation | NumbersEvaluation:
        """Evaluate on the task's hardware, by the loss that is trained with."""
        loss = None if self.objective is None else LOSS_FUNCTIONS.get(self.objective.loss)
        return evaluate_rows(network, rows.inputs, rows.table, self.target, self.hardware, loss=loss)


def prepare_table(
    network: nn.Module | str | None,
    table: ExampleSet,
    config: TrainConfig,
    *,
    arguments: dict[str, Any] | None = None,
) -> TableTask:
    """Split and encode the table, and build (where it is a name) and initialize the network.

    Means, medians, categories and bins are those of the training rows. Raises UsageError for what the caller got
    wrong and DataError for a table that cannot be used.
    """
    _check_options(config)
    if network is None:
        raise UsageError("no network; give one, such as mlp")
    train, validation = split_rows(table, config)
    logarithm = config.loss.startswith("log-")
    target = Target.fit(table, logarithm=logarithm, quantiles=config.quantiles)
    if not target.classes:  # the spread of the training rows; of the whole table only faults are looked for
        target = Target.fit(train, logarithm=logarithm, quantiles=config.quantiles)
    elif config.loss != "squared":
        raise ConfigError(
            f"loss is {config.loss} and {target.names[0]} holds classes; allowed for numbers alone"
        )
    encoder = _fitted(network, train, table.read_from, config)
    # float32 unless bf16 is asked for: three digits are few for numbers that are to be predicted
    hardware = choose_hardware(
        config.device, "fp32" if config.precision == "auto" else config.precision, config.threads
    )
    notices = [*table.notes, *_notes(encoder, train)]
    augment = _augmentations(config, encoder)
    if isinstance(network, str):
        built: nn.Module = _build(network, encoder.shape, target, config, arguments or {})
    else:
        built = bare_network(network)
        materialize(built, encoder.shape)
        checked = check_network(built, encoder.shape, target.outputs, hardware)
        hardware, notices = checked.hardware, [*notices, *checked.notices]
    check_auxiliary_heads(built, config)
    check_freezing(built, config)
    if config.initializer is not None:
        initialize(built, config.initializer, seed=derive_seed(config.seed, "weights"))
    rows = _rows(train, encoder, target)
    return TableTask(
        built,
        encoder,
        target,
        rows,
        None if validation is None else _rows(validation, encoder, target),
        hardware,
        _data_record(table, target),
        tuple(notices),
        NumbersObjective.of(config.loss, target, rows.targets),
        augment,
    )


def table_again(record: dict[str, Any], path: str | Path | None = None) -> ExampleSet | None:
    """The table or series of a run's data record, read from where they lay or from `path`; None for other data."""
    where = record["name"] if path is None else path
    if isinstance(record.get("table"), dict):
        return open_table(where, TableOptions.from_dict(record["table"]))
    if isinstance(record.get("series"), dict):
        return open_series(where, SeriesOptions.from_dict(record["series"]))
    return None


def split_rows(table: ExampleSet, config: TrainConfig) -> tuple[ExampleSet, ExampleSet | None]:
    """Training and validation rows by the options' share and seed; of classes each side has its share.

    Windows of a long series are split in time, never at random: see `SeriesSet.split_in_time`. Groups stay whole.
    """
    if not config.validation:
        return table, None
    if isinstance(table, SeriesSet) and table.in_time:
        return table.split_in_time(config.validation)
    count, seed = round(config.validation * len(table)), derive_seed(config.seed, "validation")
    if count < 1 or count >= len(table) - 1:
        raise DataError(
            f"{table.source}: {len(table)} rows leave {count} to choose the best epoch by; give more rows, or train "
            "without: validation=0 (--validation 0)"
        )
    target = table.targets[0] if table.targets else None
    if table.groups is not None:
        classes = None if target is None or target.kind != "category" else target.values
        chosen = whole_groups(table.groups.values, classes, config.validation, seed % 2**32)
    elif target is not None and target.kind == "category" and _splits_by_class(target.values, count):
        chosen = np.array(stratified_part(target.values, count, seed % 2**32))
    else:
        chosen = (
            torch.randperm(len(table), generator=generator_for(seed, "rows"))[:count].sort().values.numpy()
        )
    taken = np.zeros(len(table), dtype=bool)
    taken[chosen] = True
    return table.subset(~taken), table.subset(taken)


def _splits_by_class(codes: np.ndarray[Any, Any], count: int) -> bool:
    if (codes < 0).any():  # a missing target is told of later
        return False
    sizes = np.bincount(codes)
    return int(sizes[sizes > 0].min()) >= 2 and min(count, len(codes) - count) >= int((sizes > 0).sum())


def _check_options(config: TrainConfig) -> None:
    defaults = {field.name: field.default for field in fields(config)}
    for name in _OF_IMAGES:
        if getattr(config, name) != defaults[name]:
            raise ConfigError(f"{name} is {getattr(config, name)!r} on a table; allowed for images alone")


def _fitted(
    network: nn.Module | str, train: ExampleSet, read_from: Mapping[str, Any] | None, config: TrainConfig
) -> ExampleEncoder:
    """What makes the network's input, by the training rows alone."""
    given = dict((read_from or {}).get("options", {}))
    if isinstance(train, SeriesSet):
        if config.bins:
            raise ConfigError(f"bins are {', '.join(config.bins)} on series; allowed for columns of a table")
        flat = isinstance(network, str) and model_entry(network).axes != 1
        options = SeriesOptions.from_dict(given) if given else None
        return SeriesEncoder.fit(train, flat=flat, options=options)
    options_of_table = TableOptions.from_dict(given)
    return TableEncoder.fit(
        train,
        bins=_bins(config),
        notation={name: getattr(options_of_table, name) for name in _NOTATION},
        seed=derive_seed(config.seed, "bins") % 2**32,
    )


def _notes(encoder: ExampleEncoder, train: ExampleSet) -> list[str]:
    if isinstance(train, TableSet) and isinstance(encoder, TableEncoder):
        return encoder.notes(train)
    return []


def _augmentations(config: TrainConfig, encoder: ExampleEncoder) -> tuple[SeriesAugmentation, ...]:
    """Those of series; a table has none, and series that are numbers in a row have lost their order."""
    if not config.augment:
        return ()
    if not isinstance(encoder, SeriesEncoder):
        raise ConfigError(f"augment is {config.augment!r} on a table; allowed for images and series")
    found = series_augmentations(config.augment)
    if encoder.flat:
        raise ConfigError(
            f"augment is {config.augment!r}, and this network takes a series as numbers in a row; allowed: lenet1d, "
            "resnet1d, tcn or a network of your own"
        )
    return found


def _bins(config: TrainConfig) -> dict[str, str]:
    found = {}
    for each in config.bins:
        name, mark, rule = each.partition("=")
        if not mark:
            raise ConfigError(f"bins are {each!r}; allowed: COLUMN=width:8, =frequency:8 or =clusters:8")
        found[name] = rule
    return found


def _build(
    name: str, shape: tuple[int, ...], target: Target, config: TrainConfig, arguments: dict[str, Any]
) -> nn.Module:
    entry, vectors = model_entry(name), len(shape) == 1
    own = {"in_channels": shape[0], "num_classes": target.outputs, "input_size": 1 if vectors else shape[1]}
    refused = ConfigError(
        f"{name} takes no rows of a table and no series; allowed: linear, softmax, mlp, for series also lenet1d, "
        "resnet1d and tcn, or a network of your own"
    )
    if entry.axes != (2 if vectors else 1) or (vectors and entry.min_size > 1):
        raise refused
    build: Callable[..., Any] = create_model
    network = build(name, seed=derive_seed(config.seed, "network"), **{**own, **arguments})
    if vectors and 0 not in network.sizes.axes:
        raise refused
    return network  # type: ignore[no-any-return]


def _rows(table: ExampleSet, encoder: ExampleEncoder, target: Target) -> Rows:
    return Rows(encoded(table, encoder), torch.from_numpy(target.encode(table)), table)


def _data_record(table: ExampleSet, target: Target) -> dict[str, Any]:
    place = table.read_from
    return {
        "name": None if place is None else place["path"],
        "source": table.source,
        "classes": list(target.classes),
        "content_hash": {kind_of(table): table.content_hash()},
        **({} if place is None else {kind_of(table): place["options"]}),
    }
