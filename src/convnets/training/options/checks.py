"""What the options of a run may be: their types, ranges and names. No PyTorch, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from convnets.errors import ConfigError, UnknownNameError

__all__ = ["as_tuple", "check_name", "check_range", "check_type", "checked_quantiles"]

_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
_IN_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def as_tuple(name: str, value: Any) -> tuple[Any, ...]:
    """A tuple of the items; a text is its parts between commas, as on the command line."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name} is {value!r}; allowed: a list")
    return tuple(value)


def check_type(name: str, annotation: str, value: object) -> None:
    """Raise ConfigError unless the value is of the type that a field's annotation names."""
    base = annotation.removesuffix(" | None")
    if value is None and base != annotation:
        return
    if base.startswith("tuple"):
        item = base[len("tuple[") :].partition(",")[0]
        assert isinstance(value, tuple)
        for part in value:
            check_type(name, item, part)
    elif not isinstance(value, _TYPES[base]) or (isinstance(value, bool) and base != "bool"):
        raise ConfigError(f"{name} is {value!r}; allowed: {_IN_WORDS[base]}")


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Raise ConfigError unless the number lies from `low` to `high`; None is no number to check."""
    if value is not None and not low <= value <= high:  # also refuses nan
        raise ConfigError(f"{name} is {value}; allowed: {low:,.12g} to {high:,.12g}")


def check_name(kind: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise UnknownNameError for a name that is not in the list."""
    if value not in allowed:
        raise UnknownNameError(kind, value, allowed)


def checked_quantiles(loss: str, levels: tuple[float, ...]) -> tuple[float, ...]:
    """The levels that are learned, by default 0.1, 0.5 and 0.9 of pinball. Raises ConfigError for what are none."""
    if loss not in ("pinball", "log-pinball"):
        if levels:
            raise ConfigError(
                f"quantiles are {_listed(levels)} and loss is {loss}; allowed for pinball and log-pinball alone"
            )
        return ()
    if not all(0 < level < 1 for level in levels):
        raise ConfigError(
            f"quantiles are {_listed(levels)}; allowed: above 0 and below 1, such as 0.1,0.5,0.9"
        )
    if not all(low < high for low, high in pairwise(levels)):
        raise ConfigError(
            f"quantiles are {_listed(levels)}; allowed: each once and rising, such as {_listed(sorted(set(levels)))}"
        )
    return tuple(map(float, levels)) or (0.1, 0.5, 0.9)


def _listed(levels: Iterable[float]) -> str:
    return ",".join(f"{level:g}" for level in levels)
