"""Entries: what an index knows of each image beside its vector: a path, and a value in each column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = ["LABEL", "Entries", "Value"]

Value: TypeAlias = str | int | float | bool | None
"""A cell of a column; None where an image has no such value."""

LABEL = "class"
"""The column that holds class names."""


class Entries:
    """Paths and columns of N images, in the order of their vectors. A path names one image only.

    >>> entries = Entries(["a.png", "b.png"], {"class": ["cat", "dog"]})
    >>> len(entries), entries.row(1)
    (2, {'class': 'dog'})
    """

    def __init__(self, paths: Iterable[str], columns: Mapping[str, Sequence[Value]] | None = None) -> None:
        self.paths = list(paths)
        """Where each image lies; unique."""
        self.columns: dict[str, list[Value]] = {
            name: list(values) for name, values in (columns or {}).items()
        }
        """The values of each column, one for each path."""
        for name, values in self.columns.items():
            if len(values) != len(self.paths):
                raise InputError(
                    f"column {name!r} has {len(values)} values for {len(self.paths)} paths; give one for each"
                )
        self._places = {path: place for place, path in enumerate(self.paths)}
        if len(self._places) != len(self.paths):
            twice = next(path for place, path in enumerate(self.paths) if self._places[path] != place)
            raise InputError(f"path {twice!r} is given twice; each image needs a path of its own")

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, path: object) -> bool:
        return path in self._places

    def row(self, place: int) -> dict[str, Value]:
        """The values of one image by column; columns in which it has none are left out."""
        found = {name: values[place] for name, values in self.columns.items()}
        return {name: value for name, value in found.items() if value is not None}

    def place(self, path: str) -> int | None:
        """The row of that path; None when it is not here."""
        return self._places.get(path)

    def extend(self, more: Entries) -> None:
        """Take `more` behind these; raises InputError, and takes none, when a path is here already."""
        twice = next((path for path in more.paths if path in self._places), None)
        if twice is not None:
            raise InputError(f"path {twice!r} is in the index already; remove it first, or give another path")
        start, count = len(self), len(more)
        for name in dict.fromkeys((*self.columns, *more.columns)):
            column = self.columns.setdefault(name, [None] * start)
            column.extend(more.columns.get(name, [None] * count))
        self.paths.extend(more.paths)
        self._places.update((path, start + place) for place, path in enumerate(more.paths))

    def select(self, rows: Tensor | Sequence[int]) -> Entries:
        """The entries of those rows, in that order."""
        chosen = torch.as_tensor(rows).tolist()
        columns = {name: [values[row] for row in chosen] for name, values in self.columns.items()}
        return Entries([self.paths[row] for row in chosen], columns)

    def to_json(self) -> bytes:
        r"""One JSON document in ASCII; bytes of file names that are not UTF-8 survive as lone surrogates (\udc80)."""
        content = {"paths": self.paths, "columns": self.columns}
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")

    @classmethod
    def from_json(cls, content: bytes) -> Entries:
        """The inverse of `to_json`; raises ValueError for anything else.

        >>> Entries.from_json(Entries(["a"], {"size": [3]}).to_json()).row(0)
        {'size': 3}
        """
        try:
            values: Any = json.loads(content)
            return cls([str(path) for path in values["paths"]], values["columns"])
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"entries lack or mistype {error}") from None
