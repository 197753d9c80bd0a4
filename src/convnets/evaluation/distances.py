"""Distances between vectors, by name or as any function. N and M vectors, D numbers each."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import InputError, UnknownNameError

__all__ = ["DISTANCES", "Distance", "distance_function", "pairwise_distances"]

Distance = Callable[[Tensor, Tensor], Tensor]
"""float N×D and M×D → N×M, not negative and small for what is alike."""

DISTANCES = ("euclidean", "squared", "cosine", "l1")
"""√Σ(x − y)², Σ(x − y)², 1 − x·y / (|x|·|y|), Σ|x − y|."""


def pairwise_distances(a: Tensor, b: Tensor, distance: str | Distance = "euclidean") -> Tensor:
    """Distance of every row of float N×D to every row of M×D: N×M, with gradients, exact for near neighbours.

    Differences are added up, not ‖a‖² + ‖b‖² − 2 a·b, which would lose the small distances; equal vectors have
    distance 0 and gradient 0. Raises UnknownNameError for a name, InputError for shapes that do not fit.

    >>> pairwise_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), "squared")
    tensor([[25.]])
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"vectors have shapes {tuple(a.shape)}, {tuple(b.shape)}; allowed: N×D and M×D")
    found = distance_function(distance)(a, b)
    if found.shape != (len(a), len(b)):
        raise InputError(
            f"the distance gave shape {tuple(found.shape)} for {len(a)} and {len(b)} vectors; allowed: N×M"
        )
    return found


def distance_function(distance: str | Distance) -> Distance:
    """The function of a name, or the function itself."""
    if callable(distance):
        return distance
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES, "or pass a function of N×D and M×D to N×M")
    return {"euclidean": _euclidean, "squared": _squared, "cosine": _cosine, "l1": _l1}[distance]


def _euclidean(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return _euclidean(a, b).square()


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return 1 - F.normalize(a) @ F.normalize(b).T


def _l1(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, p=1.0)
