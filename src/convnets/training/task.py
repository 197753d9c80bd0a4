"""Task: network, data and options brought together and checked, before anything is written or trained.

A pure function of its inputs and the seed: a resumed run prepares the very same task again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.hardware import Hardware, choose_hardware
from convnets.core.progress import Progress
from convnets.core.seeds import derive_seed
from convnets.data.augmentation.augment import Augmentation, PerBatch, parse_augmentations
from convnets.data.augmentation.mixing import Mixing, choose_mixing
from convnets.data.class_batches import BatchShape
from convnets.data.decode import probe_pictures
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.data.shards.images import ShardPictures
from convnets.data.shards.paths import lasting_pattern
from convnets.data.sources import list_data, load_data
from convnets.errors import ConfigError, DataError, UsageError
from convnets.models.catalogue import ModelEntry, create_model, model_entry
from convnets.models.contract import ImageClassifier
from convnets.training.config import TrainConfig
from convnets.training.learner import check_auxiliary_heads
from convnets.training.objectives.embedding import EmbeddingObjective, build_objective
from convnets.training.optimization.freezing import check_freezing
from convnets.training.preparation.decoding import decode_where_it_fits, readable
from convnets.training.preparation.held_out import calibration_split, validation_split
from convnets.training.preparation.initial_weights import fill
from convnets.training.preparation.input_side import input_side, stored_side
from convnets.training.preparation.network_check import bare_network, check_network, materialize
from convnets.training.preparation.pixel_sample import pixel_statistics
from convnets.training.preparation.starting_weights import Fitted, Start, StartingWeights, StartRecord

__all__ = ["BatchFunction", "Task", "as_augmentation", "prepare"]

BatchFunction = Augmentation | Callable[[Tensor], Tensor]
"""An augmentation, or any callable float N×C×H×W in [0, 1] → the same."""


@dataclass(frozen=True)
class Task:
    """Everything that a run trains with."""

    network: nn.Module
    preprocess: Preprocess
    train: ImageSet
    validation: ImageSet | None
    test: ImageSet | None
    augment: tuple[Augmentation, ...]
    mixing: Mixing | None
    hardware: Hardware
    data: dict[str, Any]
    """What the data were, for the run's configuration: source, content hash, classes."""
    notices: tuple[str, ...]
    workers: int
    """Processes that decode images which are not in memory."""
    objective: EmbeddingObjective | None = None
    """The loss on vectors; None for plain classification."""
    start: Fitted | None = None
    """The trained weights that the network starts from; None for new ones."""
    calibration: ImageSet | None = None
    """Images that neither train nor choose; None where none were asked for."""

    @property
    def network_name(self) -> str:
        """The catalogue's name of the network, or the name of its class."""
        known = getattr(self.network, "architecture", None)
        return type(self.network).__name__ if known is None else str(known.name)

    @property
    def class_counts(self) -> Tensor:
        """int64 K: training images of each class."""
        return torch.bincount(self.train.labels, minlength=len(self.train.classes))

    def trained(self, network: nn.Module) -> TrainedModel:
        """`network` with the task's class names and preprocess, and how it makes vectors where it learned to."""
        metrics = {} if self.objective is None else {"embedding": self.objective.to_dict()}
        return TrainedModel(network, self.train.classes, self.preprocess, metrics)


def prepare(
    network: nn.Module | str | None,
    data: Splits | ImageSet | str | Path,
    config: TrainConfig,
    *,
    arguments: dict[str, Any] | None = None,
    augment: Sequence[BatchFunction] = (),
    progress: Progress | None = None,
    start: Start | StartRecord | None = None,
) -> Task:
    """Load, decode and split the data, and build (where it is a name) and initialize the network.

    `arguments` are further arguments of `create_model` for a network given by name; `augment` are callables on
    batches that come after the options' augmentations; `start` are trained weights in place of those of the option,
    or the record of a run whose weights come from its state. Without `network` it is the one that they are of.
    Raises UsageError for what the caller got wrong and DataError for data that cannot be used.
    """
    objective = build_objective(config)
    hardware = choose_hardware(config.device, config.precision, config.threads)
    augmentations = (*parse_augmentations(config.augment), *(as_augmentation(each) for each in augment))
    source = _lasting_name(data) if isinstance(data, str | Path) else None
    splits = _opened(data, progress)
    notices = list(splits.notes)
    begun = None if start is None and config.start is None else StartingWeights(start or config.start or "")
    if begun is not None and not isinstance(network, nn.Module):
        network, arguments = begun.network(network, arguments)
    if network is None:
        raise UsageError("no network; give one, or start=…, whose network is then trained")
    given = _unwrapped(network, notices) if isinstance(network, nn.Module) else None
    entry = _entry_of(network if given is None else given)
    probe = probe_pictures(splits.train)
    channels = config.channels or getattr(given, "in_channels", None) or probe.channels
    sized = config if begun is None else begun.config(config, given)
    size = input_side(given, entry, sized, probe.uniform_size)
    preprocess = Preprocess.plain(channels, size, stored_side(splits.train, size, probe.uniform_size))
    if given is None:
        assert entry is not None
        given = _build(entry, channels, len(splits.classes), size, config, arguments or {})
    else:
        _check_network(given, splits, channels)
        materialize(given, (channels, size, size))
    _check_options(given, config)
    through = given if objective is None else objective.through(given)  # refuses one that has no such vectors
    if isinstance(network, nn.Module):  # one that is built here is known to work
        classes = len(splits.classes) if objective is None else None
        checked = check_network(given, (channels, size, size), classes, hardware, through)
        hardware, notices = checked.hardware, [*notices, *checked.notices]
    fitted = None if begun is None else begun.fit(given, splits.classes, channels, normalize=config.normalize)
    data_record = _data_record(source, splits)
    splits = decode_where_it_fits(splits, preprocess, config, hardware, notices, progress)
    splits, calibration = calibration_split(splits, config)
    train, validation = validation_split(splits, config, notices)
    _check_parts(train, validation, splits.test, config)
    validation, test = (
        None if part is None else readable(part, preprocess, config, hardware, notices)
        for part in (validation, splits.test)
    )
    if config.normalize:
        preprocess = _normalized(preprocess, train, config, fitted)
    fill(given, preprocess, train, config, fitted)
    return Task(
        given,
        preprocess,
        train,
        validation,
        test,
        augmentations,
        choose_mixing(config.mixup, config.cutmix),
        hardware,
        data_record,
        tuple(notices),
        config.workers,
        objective,
        fitted,
        calibration,
    )


def _data_record(name: str | None, splits: Splits) -> dict[str, Any]:
    """What the data are, for the run's configuration: name, source, classes, and a hash of each part's content."""
    hashes = {part_name: part.content_hash() for part_name, part in splits.parts().items()}
    return {"name": name, "source": splits.source, "classes": list(splits.classes), "content_hash": hashes}


def _normalized(
    preprocess: Preprocess, train: ImageSet, config: TrainConfig, fitted: Fitted | None
) -> Preprocess:
    """With the mean and spread of the training pixels, or of those that the starting weights were trained on."""
    known = None if fitted is None else fitted.normalization
    mean, std = known or pixel_statistics(train, preprocess, config)
    return replace(preprocess, mean=mean, std=std)


def _opened(data: Splits | ImageSet | str | Path, progress: Progress | None) -> Splits:
    """The data as splits of at least two classes."""
    splits = load_data(data, progress=progress) if isinstance(data, str | Path) else data
    if isinstance(splits, ImageSet):
        splits = Splits(train=splits)
    if len(splits.classes) < 2:
        raise DataError(f"{splits.source}: one class, {splits.classes[0]!r}; a classifier needs at least two")
    return splits


def _unwrapped(network: nn.Module, notices: list[str]) -> nn.Module:
    """The network inside a wrapper for several devices, which is left out and said to be."""
    bare = bare_network(network)
    if bare is not network:
        notices.append(f"{type(network).__name__} is left out; several devices train together under torchrun")
    return bare


def _check_options(network: nn.Module, config: TrainConfig) -> None:
    """Refuse options that ask for modules which the network has not, and those for tables."""
    if config.loss != "squared" or config.bins:
        name = "bins" if config.bins else "loss"
        raise ConfigError(f"{name} is {getattr(config, name)!r} on images; allowed for tables alone")
    check_auxiliary_heads(network, config)
    check_freezing(network, config)


def _check_parts(
    train: ImageSet, validation: ImageSet | None, test: ImageSet | None, config: TrainConfig
) -> None:
    """Refuse images that the options cannot be followed on."""
    if config.balanced_sampling and isinstance(train.images, ShardPictures):
        raise ConfigError(
            "balanced_sampling is true, and shards are read from end to end; allowed: class_weights or "
            "logit_adjustment"
        )
    if config.objective != "classification":
        _check_company(train, validation, test, config)


def _check_company(
    train: ImageSet, validation: ImageSet | None, test: ImageSet | None, config: TrainConfig
) -> None:
    """Refuse batches and parts in which no image could find another of its class."""
    BatchShape.of(train, config.batch_size, config.images_per_class)  # raises where it cannot be
    for name, part in (("validation", validation), ("test", test)):
        if part is not None and max(part.class_counts().values()) < 2:
            raise DataError(
                f"{part.source}: no class has 2 images in {name}, so that no image could find another of its "
                f"class; give more images{', or validation=0 (--validation 0)' * (name == 'validation')}"
            )


def as_augmentation(function: BatchFunction) -> Augmentation:
    """The callable itself where it takes images and a generator, else wrapped so that it does.

    >>> as_augmentation(lambda images: 1 - images)
    PerBatch(<lambda>)
    """
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        return PerBatch(cast("Callable[[Tensor], Tensor]", function))
    return cast("Augmentation", function)


def _lasting_name(data: str | Path) -> str:
    """The data set's name, or a path that means the same from any folder."""
    known = {entry.name for entry in list_data()}
    return str(data) if str(data) in known else lasting_pattern(str(data))


def _entry_of(network: nn.Module | str) -> ModelEntry | None:
    if isinstance(network, str):
        return model_entry(network)
    known = getattr(network, "architecture", None)
    return None if known is None else model_entry(known.name)


def _build(
    entry: ModelEntry, channels: int, classes: int, size: int, config: TrainConfig, arguments: dict[str, Any]
) -> ImageClassifier:
    own: dict[str, Any] = {"in_channels": channels, "num_classes": classes, "input_size": size}
    if config.auxiliary_weight and entry.name.startswith("googlenet"):
        own["auxiliary"] = True
    return create_model(entry.name, seed=derive_seed(config.seed, "network"), **{**own, **arguments})


def _check_network(network: nn.Module, splits: Splits, channels: int) -> None:
    classes = getattr(network, "num_classes", len(splits.classes))
    if classes != len(splits.classes):
        remedy = f"create it with num_classes={len(splits.classes)}"
        raise ConfigError(
            f"the network has {classes} classes and {splits.source} has {len(splits.classes)}; {remedy}"
        )
    own = getattr(network, "in_channels", channels)
    if own != channels:
        raise ConfigError(f"the network takes {own} channels and channels is {channels}; leave channels out")
