"""Index: what every index of vectors promises, wherever it keeps them.

N vectors, M queries, D numbers each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.retrieval.entries import Entries
from convnets.retrieval.hit import Hit
from convnets.retrieval.metadata_filter import Filter, MetadataFilter

__all__ = ["Index", "check_count", "check_vectors", "distances_to"]

_LENGTH_TOLERANCE = 1e-2  # of a unit vector: a vector rounded to bfloat16 is within 2⁻⁸


@runtime_checkable
class Index(Protocol):
    """Vectors of length 1 with their entries. Adding and removing happen as a whole or not at all."""

    @property
    def dimension(self) -> int:
        """D, the numbers of each vector."""
        ...

    def __len__(self) -> int: ...

    def add(self, vectors: Tensor, entries: Entries) -> None:
        """Take float N×D unit vectors with their entries; raises InputError for a path that is here already."""
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Forget the images of these paths; raises InputError, and forgets none, when one is not here."""
        ...

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Those of the paths that are not here."""
        ...

    def search(
        self, queries: Tensor, k: int = 10, *, where: Filter | MetadataFilter | None = None
    ) -> list[list[Hit]]:
        """For each of float M×D unit vectors its k nearest images, the nearest first; fewer where fewer are there.

        Raises InputError for queries of another shape, ConfigError for k below 1.
        """
        ...


def check_vectors(vectors: Tensor, dimension: int | None, what: str = "vectors") -> Tensor:
    """float32 N×D on the processor; raises InputError unless they are finite, of length 1 and of that dimension.

    >>> check_vectors(torch.eye(2), 3)
    Traceback (most recent call last):
        ...
    convnets.errors.InputError: vectors have 2 numbers each, the index holds 3; make them with the network, stage \
and pooling of the index
    """
    if vectors.ndim != 2 or not vectors.is_floating_point():
        raise InputError(f"{what} are {vectors.dtype} of shape {tuple(vectors.shape)}; allowed: float N×D")
    if dimension is not None and vectors.shape[1] != dimension:
        raise InputError(
            f"{what} have {vectors.shape[1]} numbers each, the index holds {dimension}; "
            "make them with the network, stage and pooling of the index"
        )
    found = vectors.detach().cpu().float()
    lengths = torch.linalg.vector_norm(found, dim=1)
    wrong = (~((lengths - 1).abs() <= _LENGTH_TOLERANCE)).nonzero().flatten()  # NaN is wrong, too
    if len(wrong):
        place = int(wrong[0])
        raise InputError(
            f"vector {place} of the {what} has length {float(lengths[place]):g}; allowed: 1, as "
            "torch.nn.functional.normalize(vectors) makes them; a vector of zeros says nothing of its image"
        )
    return found


def check_count(k: int) -> None:
    """Raise ConfigError unless `k` images can be asked for."""
    if k < 1:
        raise ConfigError(f"k is {k}; allowed: 1 or more")


def distances_to(query: Tensor, vectors: Tensor) -> Tensor:
    """Euclidean distances of one vector D to float n×D, by their differences: exact for equal vectors, too.

    √(2 − 2 q·x) would lose half of the digits where the vectors are near.
    """
    distances: Tensor = torch.linalg.vector_norm(vectors.float() - query, dim=1)
    return distances
