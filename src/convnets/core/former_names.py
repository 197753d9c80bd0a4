"""Former names: what earlier versions called options, attributes and functions, and still may be called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from convnets.errors import ConfigError

__all__ = ["FORMER_NAMES", "current_names", "former_attribute", "takes_former_names"]

FORMER_NAMES = {
    "optimiser": "optimizer",
    "initialiser": "initializer",
    "normalise": "normalize",
    "normalisation": "normalization",
    "initialise": "initialize",
    "reinitialise": "reinitialize",
    "INITIALISERS": "INITIALIZERS",
    "OPTIMISERS": "OPTIMIZERS",
    "centre_crop": "center_crop",
}
"""Former name → name. In files they are read for ever; in Python and on the command line beside the current ones."""

Made = TypeVar("Made")


def current_names(values: Mapping[str, Any], where: str = "arguments") -> dict[str, Any]:
    """`values` with former keys under their current names; raises ConfigError where both are given.

    >>> current_names({"optimiser": "sgd", "epochs": 3})
    {'optimizer': 'sgd', 'epochs': 3}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = FORMER_NAMES.get(key, key)
        if name in found:
            raise ConfigError(f"{where}: {name} is given twice, also by its former name; give {name} alone")
        found[name] = value
    return found


def takes_former_names(cls: type[Made]) -> type[Made]:
    """Let a class take former names as keywords, and have them as attributes.

    >>> @takes_former_names
    ... class Options:
    ...     def __init__(self, optimizer: str = "sgd") -> None:
    ...         self.optimizer = optimizer
    >>> Options(optimiser="adamw").optimiser
    'adamw'
    """
    made = cls.__init__

    @functools.wraps(made)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807  it takes the place of the class's own
        made(self, *args, **current_names(given, cls.__name__))

    cls.__init__ = __init__  # type: ignore[method-assign]
    known = {*getattr(cls, "__dataclass_fields__", ()), *vars(cls), *made.__code__.co_varnames}
    for former, name in FORMER_NAMES.items():
        if name in known:
            setattr(cls, former, property(functools.partial(_attribute, name)))
    return cls


def former_attribute(module: str, names: Mapping[str, Any]) -> Callable[[str], Any]:
    """A module's `__getattr__` that knows former names of what the module holds.

    >>> former_attribute("layers", {"initialize": 3})("initialise")
    3
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  it is assigned to a module's __getattr__
        if FORMER_NAMES.get(name) in names:
            return names[FORMER_NAMES[name]]
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return __getattr__


def _attribute(name: str, owner: Any) -> Any:
    return getattr(owner, name)
