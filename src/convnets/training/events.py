"""What a run reports while it happens. The loop prints nothing; listeners (terminal, notebook, files) do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from convnets.errors import ConfigError, UnknownNameError

__all__ = [
    "CheckpointSaved",
    "EmbeddingEvaluated",
    "EmbeddingMeasured",
    "EpochEnded",
    "EpochStarted",
    "Evaluated",
    "Event",
    "HealthMeasured",
    "KernelsChosen",
    "Listener",
    "Notice",
    "RunEnded",
    "RunStarted",
    "StepEnded",
    "StopRun",
    "TableEvaluated",
]


@dataclass(frozen=True)
class Event:
    """Root of all events."""

    def to_dict(self) -> dict[str, Any]:
        """`{"event": name, …}` with plain values, one line of events.jsonl."""
        return {"event": type(self).__name__, **asdict(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Event:
        """The event that `to_dict` gave, also after its way through JSON, as in a line of events.jsonl.

        Fields that older runs did not have take their defaults. Raises UnknownNameError for an event or a field that
        is not known, with the nearest name, and ConfigError where a field is missing.

        >>> Event.from_dict({"event": "Notice", "message": "the last batch has 1 image"})
        Notice(message='the last batch has 1 image')
        """
        kinds = {kind.__name__: kind for kind in Event.__subclasses__()}
        name, given = values.get("event"), {key: value for key, value in values.items() if key != "event"}
        if name not in kinds:
            raise UnknownNameError("event", str(name), list(kinds))
        known = {field.name: field.default is MISSING for field in fields(kinds[name])}
        for key in given:
            if key not in known:
                raise UnknownNameError(f"field of {name}", key, list(known))
        if missing := [key for key, needed in known.items() if needed and key not in given]:
            raise ConfigError(
                f"{name} came without {', '.join(missing)}; give each field that has no default"
            )
        if "input_shape" in given:  # JSON has no tuples
            given["input_shape"] = tuple(given["input_shape"])
        return kinds[name](**given)


class StopRun(Exception):  # noqa: N818  a request, as StopIteration is, and no error
    """Raise it in a listener to stop the run: it is saved at the next step's boundary and ends as `interrupted`.

    >>> def stop_when_good(event: Event) -> None:
    ...     if isinstance(event, EpochEnded) and (event.validation_accuracy or 0) > 0.9:
    ...         raise StopRun
    """


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class RunStarted(Event):
    """Everything is ready; the first step comes next."""

    run: str
    """The run's directory."""
    network: str
    data: str
    parameters: int
    input_shape: tuple[int, ...]
    """C×H×W of one image; of a row of a table the numbers that the network sees."""
    train_images: int
    validation_images: int
    resident_bytes: int
    """Memory that the decoded training images take; 0 when they are streamed."""
    hardware: str
    epochs: int
    first_epoch: int
    """0, or the epochs that a resumed run had finished."""
    first_step: int = 0
    """Steps that a resumed run had done in the epoch after those."""
    objective: str = "classification"
    """What is minimized; what an epoch calls accuracy is Recall@1 of vectors, R² of numbers, R¹ of quantiles."""
    examples: str = "images"
    """What is learned from, for people; of a table `rows`."""


@dataclass(frozen=True)
class Notice(Event):
    """Something that the user should know and that stops nothing."""

    message: str


@dataclass(frozen=True)
class KernelsChosen(Event):
    """After the first step on the processor: what the network trains on."""

    native: bool
    """Whether the native kernels are compiled."""
    obstacle: str | None
    """Why the network trains by PyTorch's own layers, or the kernels are not native; None where all is well."""
    fused: int
    """Chains of layers that run as one step."""
    convolutions: int
    """Convolutions whose kernels are chosen by measurement."""
    measured: int
    """Shapes that were measured in this run; the others were remembered."""
    seconds: float
    """What measuring took."""
    choices: list[dict[str, Any]]
    """Shape, direction, kernel, and its speed as a multiple of oneDNN's."""


@dataclass(frozen=True)
class EpochStarted(Event):
    """An epoch of `steps` steps begins, or goes on where a resumed run was stopped."""

    epoch: int
    steps: int
    first_step: int = 0
    """Steps of the epoch that were done before."""


@dataclass(frozen=True)
class StepEnded(Event):
    """A step was done. Sent a few times a second, not for every step, so that watching costs nothing."""

    epoch: int
    step: int
    """Steps done in this epoch."""
    steps: int
    loss: float
    """Mean over the epoch so far."""
    images_per_second: float
    """Over the epoch so far, by wall clock."""


@dataclass(frozen=True)
class EpochEnded(Event):
    """A row of metrics.csv. Accuracies are shares from 0 to 1, losses in nats."""

    epoch: int
    """From 1."""
    learning_rate: float
    """Of the epoch's last step."""
    train_loss: float
    train_accuracy: float
    """While training, on augmented images; with mixed targets, agreement with the larger share."""
    validation_loss: float | None
    validation_accuracy: float | None
    images_per_second: float
    """Training steps alone, without waiting for data or validating."""
    images_per_second_wall: float
    """Training images over the whole epoch's time: data, steps, validation and saving the epoch before."""
    seconds: float
    best: bool


@dataclass(frozen=True)
class EmbeddingMeasured(Event):
    """Before the row of an epoch that trained vectors: how far apart they are. Shares are from 0 to 1."""

    epoch: int
    """From 1."""
    active: float
    """Mean share of a batch's triplets (or pairs) that the loss was not content with."""
    positive_distance: float
    """Mean distance of two images of a class while training, in the objective's distance."""
    negative_distance: float
    """Mean distance of two images of different classes."""
    recall_at_1: float | None
    """On the validation images, each searching among the others; None without any."""
    r_precision: float | None
    map_at_r: float | None


@dataclass(frozen=True)
class EmbeddingEvaluated(Event):
    """The test images searched among themselves: once, at the end, by the best weights."""

    recall_at_1: float
    r_precision: float
    map_at_r: float
    images: int


@dataclass(frozen=True)
class HealthMeasured(Event):
    """What each layer made of the same training images, with `--health`. Norms are Euclidean, shares from 0 to 1."""

    epoch: int
    """0 before the first step."""
    images: int
    mode: str
    loss: float | None
    step: str | None
    """The optimizer whose next step `update` is of."""
    layers: list[dict[str, Any]]
    """The fields of `LayerHealth`, in the order in which the layers run."""
    batch_norms: list[dict[str, Any]]
    """Name, and of gamma and beta minimum, quartiles and maximum."""
    warnings: list[str]
    """What is wrong, in plain words."""


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A state to resume from is on disk."""

    path: str
    epoch: int
    """Epochs finished."""
    step: int = 0
    """Steps done in the epoch after those."""


@dataclass(frozen=True)
class Evaluated(Event):
    """The test set was evaluated: once, at the end, with the best weights."""

    accuracy: float
    loss: float
    images: int


@dataclass(frozen=True)
class TableEvaluated(Event):
    """The best weights of a run on a table, and simple models on the same rows."""

    part: str
    """Which rows."""
    rows: int
    network: str
    figures: dict[str, dict[str, float | None]]
    """By the model's name, the network's first: accuracy and loss, or rmse, mae, r2, log_rmse, of quantiles more."""
    examples: str = "rows"
    """What was evaluated, for people; of series `series` or `windows`."""


@dataclass(frozen=True)
class RunEnded(Event):
    """The run is over: `finished`, `interrupted`, `terminated`, `patience`, `time budget` or `failed: …`."""

    reason: str
    epochs: int
    seconds: float
    run: str
    report: str | None
    best_epoch: int | None
