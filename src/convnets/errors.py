"""Every error that convnets raises on purpose.

ConvnetsError
├── UsageError            the caller asked for something that is not allowed (also a ValueError); exit status 2
│   ├── UnknownNameError  a name that is not in the list of names; says the nearest ones
│   ├── ConfigError       an option of a run with a value, or a key, that is not allowed
│   └── InputError        a tensor or picture whose shape, type or range does not fit the network
│       └── LayerError    the same, found by running it: names the layer that it breaks
├── DataError             a data set, picture or download that cannot be used; exit status 1
│   ├── ImageDecodeError  one picture that cannot be decoded
│   └── DownloadError     no mirror delivered the file
├── ModelFolderError      a model folder that is missing, damaged or of another network
├── ImageIndexError       an image index that is missing, damaged, or of another network
├── RunError              a run directory that cannot be written, read or resumed
├── TrainingError         training cannot go on, such as a loss that is no longer finite
└── DeviceError           a device that this machine does not have

Each message is one line: the value received, what is allowed, and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "ConfigError",
    "ConvnetsError",
    "DataError",
    "DeviceError",
    "DownloadError",
    "ImageDecodeError",
    "ImageIndexError",
    "InputError",
    "LayerError",
    "ModelFolderError",
    "RunError",
    "TrainingError",
    "UnknownNameError",
    "UsageError",
]


class ConvnetsError(Exception):
    """Root of the tree: `except ConvnetsError` catches all that convnets raises on purpose."""

    told = False
    """Whether another process of a distributed run says it to the user."""

    def __reduce__(self) -> tuple[Any, ...]:
        """From process to process with its message, whatever it was made of."""
        return _again, (type(self), self.args), vars(self)


def _again(kind: type[ConvnetsError], told: tuple[Any, ...]) -> ConvnetsError:
    return kind.__new__(kind, *told)


class UsageError(ConvnetsError, ValueError):
    """The caller asked for something that is not allowed."""


class UnknownNameError(UsageError):
    """A name that is not in a list of names.

    >>> str(UnknownNameError("network", "resnet81", ["resnet18", "resnet101", "mlp"]))
    "unknown network 'resnet81'; nearest: resnet18, resnet101"
    """

    def __init__(self, kind: str, value: str, allowed: Iterable[str], remedy: str = "") -> None:
        names = list(allowed)
        nearest = difflib.get_close_matches(value, names, n=3, cutoff=0.5)
        hint = f"nearest: {', '.join(nearest)}" if nearest else f"allowed: {', '.join(names)}"
        super().__init__(f"unknown {kind} {value!r}; {hint}" + (f"; {remedy}" if remedy else ""))
        self.kind, self.value, self.nearest = kind, value, nearest


class ConfigError(UsageError):
    """An option of a run with a value, or a key, that is not allowed."""


class InputError(UsageError):
    """A tensor or picture whose shape, type or range does not fit the network."""


class LayerError(InputError):
    """A shape that a layer cannot take; the message names the layer, the shape it got and the one it needs."""

    def __init__(self, message: str, layer: str, partial: object = None) -> None:
        super().__init__(message)
        self.layer = layer
        """Path of the layer in the network; empty for the network's own forward."""
        self.partial = partial
        """What is known of the layers before it, such as a NetworkSummary up to the failure."""


class DataError(ConvnetsError):
    """A data set, picture or download that cannot be used."""


class ImageDecodeError(DataError):
    """One picture that cannot be decoded; the message names the file and the reason."""


class DownloadError(DataError):
    """No mirror delivered the file; the message lists what each of them answered."""


class ModelFolderError(ConvnetsError):
    """A model folder that is missing, damaged, or of another network."""


class ImageIndexError(ConvnetsError):
    """An image index that is missing, damaged, unfinished, or was built by another network."""


class RunError(ConvnetsError):
    """A run directory that cannot be written, read or resumed."""


class TrainingError(ConvnetsError):
    """Training cannot go on, such as a loss that is no longer finite."""


class DeviceError(ConvnetsError):
    """A device that this machine does not have."""
