"""Arguments kept as attributes, and methods added to classes: what the later editions' classes stand on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["HyperParameters", "add_to_class"]


def add_to_class(Class: type) -> Callable[[Callable[..., Any]], None]:
    """A decorator that makes a function a method of a class that exists already."""

    def wrapper(function: Callable[..., Any]) -> None:
        setattr(Class, function.__name__, function)

    return wrapper


class HyperParameters:
    """Keeps the arguments of `__init__` as attributes."""

    def save_hyperparameters(self, ignore: str | Sequence[str] = ()) -> None:
        """To be called in `__init__`: each argument becomes an attribute, but for those in `ignore`."""
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        _, _, _, values = inspect.getargvalues(frame.f_back)
        left_out = {"self", *([ignore] if isinstance(ignore, str) else ignore)}
        self.hparams = {
            name: value for name, value in values.items() if name not in left_out and not name.startswith("_")
        }
        for name, value in self.hparams.items():
            setattr(self, name, value)
