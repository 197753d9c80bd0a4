"""Starting from trained weights: where they are read, how they go into the network, and what a run notes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from convnets.checkpoints.given_weights import GivenWeights, read_weights, weights_in_memory
from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.errors import RunError, UsageError
from convnets.models.weight_fitting import Fit, fit_weights
from convnets.training.config import TrainConfig

__all__ = ["Fitted", "Start", "StartRecord", "StartingWeights"]

Start = TrainedModel | nn.Module | Mapping[str, Tensor] | Path | str
"""What training may start from; a path is that of a run, a model folder, a .safetensors or a .pth file."""

# what torchvision's weights were trained with: ImageNet's pixels
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_NAMES_SHOWN = 2
_OF_THE_DATA = (
    "in_channels",
    "num_classes",
    "input_size",
    "auxiliary",
)  # the new data and options decide these


@dataclass(frozen=True)
class StartRecord:
    """What a run's config.json says of the weights that it started from; a resumed run needs nothing else of them."""

    source: str
    """Absolute path, or `memory`."""
    sha256: str
    network: str | None
    new: tuple[str, ...]
    """Names that were not taken from the weights."""
    channels: tuple[int, int] | None
    """Channels of the images that the first layer was trained on, and now takes; None where they are the same."""
    size: int | None
    """Side of the input that they were trained on, in pixels; None where nobody knows."""
    mean: tuple[float, ...] | None
    """How pixels were normalized, and are again; None where it is measured on the training images."""
    std: tuple[float, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StartRecord:
        """The inverse of `to_dict`. Raises RunError for anything else."""
        try:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**plain)
        except TypeError as error:
            raise RunError(f"the record of starting weights is damaged: {str(error)[:80]}") from None


@dataclass(frozen=True)
class Fitted:
    """Starting weights that fit a network; nothing is changed in it before `load_into`."""

    record: StartRecord
    fit: Fit | None = None
    """None where the weights come from a run's state."""
    notices: tuple[str, ...] = ()

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and spread that the weights expect; None where nobody knows."""
        mean, std = self.record.mean, self.record.std
        return None if mean is None or std is None else (mean, std)

    def load_into(self, network: nn.Module) -> None:
        """Fill the network; what is new stays as it is."""
        if self.fit is not None:
            self.fit.load_into(network)


class StartingWeights:
    """Trained weights on their way into a network; of a run that goes on, what is on record of them.

    Raises ModelFolderError, RunError for weights that cannot be used, UsageError for what are none. A run's weights are
    those of its best epoch.
    """

    def __init__(self, start: Start | StartRecord) -> None:
        self.record = start if isinstance(start, StartRecord) else None
        self._given: GivenWeights | None = None
        if isinstance(start, Path | str):
            self._given = read_weights(resolve_model_folder(Path(start).expanduser()))
        elif not isinstance(start, StartRecord):
            self._given = weights_in_memory(start)

    @property
    def size(self) -> int | None:
        """Side of the input that they were trained on, in pixels; None where nobody knows."""
        if self._given is None:
            return None if self.record is None else self.record.size
        return None if self._given.preprocess is None else self._given.preprocess.size

    def config(self, config: TrainConfig, network: nn.Module | str | None) -> TrainConfig:
        """The options, with the size that the weights know where none was asked for and no given network fixes it."""
        fixed = isinstance(network, nn.Module) and getattr(network, "input_size", None) is not None
        return config if fixed or config.size is not None else replace(config, size=self.size)

    def network(
        self, name: str | None, arguments: Mapping[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """The catalogue's network to build, and its arguments beside channels, classes and size.

        Raises UsageError where the weights do not say which network they are of, or are of another than `name`.
        """
        if self._given is None:
            assert name is not None
            return name, dict(arguments or {})
        made, source = self._given.architecture, self._given.place
        if name is None and made is None:
            known = self._given.classes is not None
            raise UsageError(
                f"{source} holds weights of a network from outside the catalogue; pass it: train(network, …, start=…)"
                if known
                else f"{source} does not say which network its weights are of; name it: convnets train NETWORK --from …"
            )
        if made is None or not made.arguments:  # a file's own name is a guess: used where nobody says better
            return name or str(made and made.name), dict(arguments or {})
        if name not in (None, made.name):
            raise UsageError(f"{source} holds weights of {made.name}, not of {name}; leave the network out")
        kept = {key: value for key, value in made.arguments.items() if key not in _OF_THE_DATA}
        return made.name, {**kept, **(arguments or {})}

    def fit(self, network: nn.Module, classes: tuple[str, ...], channels: int, *, normalize: bool) -> Fitted:
        """What of the weights goes into `network`. Raises ModelFolderError where they do not fit."""
        if self._given is None:
            assert self.record is not None
            return Fitted(self.record)
        known, made = self._given.classes, self._given.architecture
        fit = fit_weights(
            network,
            self._given.tensors,
            self._given.place,
            keep_classes=known in (None, classes),
            given_channels=None if made is None else made.arguments.get("in_channels"),
        )
        mean, std = self._normalization(fit, channels) if normalize else (None, None)
        record = StartRecord(
            source=self._given.source,
            sha256=self._given.sha256,
            network=None if made is None else made.name,
            new=fit.new,
            channels=fit.channels,
            size=self.size,
            mean=mean,
            std=std,
        )
        return Fitted(record, fit, (_described(self._given.place, record, fit, known, classes),))

    def _normalization(
        self, fit: Fit, channels: int
    ) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
        """Mean and spread that the weights expect, for this many channels; averaged where the channels differ."""
        assert self._given is not None
        if self._given.preprocess is not None:
            mean, std = self._given.preprocess.mean, self._given.preprocess.std
        elif fit.torchvision:
            mean, std = _IMAGENET
        else:
            return None, None
        return _for_channels(mean, channels), _for_channels(std, channels)


def _described(
    place: str, record: StartRecord, fit: Fit, known: tuple[str, ...] | None, classes: tuple[str, ...]
) -> str:
    """One line for the user: what was taken, what is new and why, and what was adapted."""
    of = "" if record.network is None else f" ({record.network})"
    parts = [f"starting from {place}{of}: {len(fit.tensors)} tensors"]
    head = [name for name in fit.new if not name.endswith("num_batches_tracked")]
    if head:
        parts.append(f"new: {_few(head)}{_why(known, classes)}")
    else:
        parts.append("the last layer is kept" + (", the classes are the same" if known == classes else ""))
    if record.channels is not None:
        given, wanted = record.channels
        parts.append(f"the first layer's filters for {given} channels were changed to {wanted}")
    if record.mean is not None:
        parts.append("pixels are normalized as they were for these weights")
    return "; ".join(parts)


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if len(values) == channels else (sum(values) / len(values),) * channels


def _few(names: list[str]) -> str:
    more = [f"{len(names) - _NAMES_SHOWN} more"] if len(names) > _NAMES_SHOWN else []
    return ", ".join(names[:_NAMES_SHOWN] + more)


def _why(known: tuple[str, ...] | None, classes: tuple[str, ...]) -> str:
    if known is None:
        return ""
    if len(known) != len(classes):
        return f" (it told {len(known)} classes apart, these are {len(classes)})"
    return " (its classes were others, or in another order)" if known != classes else ""
