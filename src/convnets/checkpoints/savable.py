"""Savable: what a model folder is written of, whatever the examples are."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn

__all__ = ["Savable"]


class _Serializable(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


class Savable(Protocol):
    """A network with how examples become its input: a `TrainedModel` of images, a `TableModel` of rows."""

    @property
    def network(self) -> nn.Module: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def preprocess(self) -> _Serializable: ...

    @property
    def metrics(self) -> dict[str, Any]: ...

    @property
    def architecture(self) -> dict[str, Any] | None: ...
