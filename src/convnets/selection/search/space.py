"""The space of a search: which options are tried, and between which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from convnets.core.former_names import current_names
from convnets.errors import ConfigError, UnknownNameError
from convnets.models.catalogue import model_entry
from convnets.selection.search.choice import STRENGTH
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import read_toml

__all__ = ["Choice", "Range", "Space", "default_space", "space_from_toml"]


@dataclass(frozen=True)
class Range:
    """Numbers from low to high; with `log` equally likely in each factor of ten."""

    low: float
    high: float
    log: bool = False
    points: int = field(default=3, repr=False)
    """Values of a grid."""

    def suggest(self, trial: Any, name: str) -> Any:
        """One of them, by the search."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values: numbers, or text."""

    values: tuple[str | int | float, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """One of them, by the search."""
        return trial.suggest_categorical(name, self.values)


Space = dict[str, Range | Choice]
"""By option of a run, or argument of the network such as dropout."""


_OF_IMAGES = ("label_smoothing", "augment", STRENGTH)  # the first is for classes, which a table may not have


def default_space(network: str, optimizer: str = "adamw", *, images: bool = True) -> Space:
    """What is tried for a network where nothing else is said; without `images` for rows of tables, and series.

    >>> default_space("lenet_bn")["learning_rate"].log
    True
    """
    rates = {"adamw": (3e-4, 0.1), "sgd": (1e-2, 1.0), "muon": (0.01, 0.5)}
    space: Space = {
        "learning_rate": Range(*rates[optimizer], log=True),
        "batch_size": Choice((64, 128, 256)),
        "weight_decay": Range(1e-5, 0.3, log=True),
        "schedule": Choice(("one-cycle", "cosine", "linear")),
        "label_smoothing": Range(0.0, 0.15),
        "augment": Choice(("", "crop:1", "flip,crop:1")),
        STRENGTH: Range(0.5, 4.0, log=True),
        "initializer": Choice(("xavier-uniform", "kaiming-normal")),
    }
    if not images:
        space = {key: part for key, part in space.items() if key not in _OF_IMAGES}
        space["batch_size"] = Choice((16, 32, 64, 128))
    if "dropout" in model_entry(network).options:
        space["dropout"] = Range(0.0, 0.7)
    if "width" in model_entry(network).options:
        space["width"] = Choice((0.5, 1.0, 2.0))
    return space


def space_from_toml(path: Path, network: str, base: Space) -> Space:
    """`base` with the table [space] of a TOML file put over it; false takes an option out.

    Such as `learning_rate = { low = 1e-3, high = 0.1, log = true }` (`points = 5` for a grid) and `batch_size =
    [64, 128]`. Raises ConfigError
    for what is neither, UnknownNameError for what is no option.
    """
    given = read_toml(path).get("space")
    if not isinstance(given, dict):
        raise ConfigError(
            f"{path} has no table [space]; write one, with lines such as batch_size = [64, 128]"
        )
    allowed = [*(own.name for own in fields(TrainConfig)), *model_entry(network).options, STRENGTH]
    space = dict(base)
    for name, value in current_names(given, str(path)).items():
        if name not in allowed:
            raise UnknownNameError("option", name, allowed, f"it stands in {path}")
        if value is False:
            space.pop(name, None)
        else:
            space[name] = _part(name, value, path)
    return space


_OF_RANGE = {"low", "high", "log", "points"}


def _part(name: str, value: object, path: Path) -> Range | Choice:
    if isinstance(value, Mapping) and {"low", "high"} <= value.keys() <= _OF_RANGE:
        low, high, log = value["low"], value["high"], value.get("log", False)
        points = value.get("points", 3)
        numbers = all(isinstance(each, int | float) for each in (low, high))
        if numbers and low < high and (low > 0 or not log) and isinstance(points, int) and points > 0:
            return Range(float(low), float(high), bool(log), points)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return Choice(tuple(value))
    raise ConfigError(
        f"{path}: {name} is {str(value)[:60]}; allowed: a list, or {{ low = …, high = …, log = true }}, or false"
    )
