"""Distances between vectors, by name or as any function. N and M vectors, D numbers each."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import InputError, UnknownNameError

__all__ = [
    "DISTANCES",
    "Distance",
    "check_distances",
    "distance_function",
    "pairwise_distances",
    "refuse_negative",
]

Distance = Callable[[Tensor, Tensor], Tensor]
"""float N×D and M×D → N×M real numbers, smaller for what is more alike; they may be negative."""

DISTANCES = ("euclidean", "squared", "cosine", "l1")
"""√Σ(x − y)², Σ(x − y)², 1 − x·y / (|x|·|y|), Σ|x − y|."""


def pairwise_distances(a: Tensor, b: Tensor, distance: str | Distance = "euclidean") -> Tensor:
    """Distance of every row of float N×D to every row of M×D: N×M, with gradients, exact for near neighbors.

    Differences are added up, not ‖a‖² + ‖b‖² − 2 a·b, which would lose the small distances; equal vectors have
    distance 0 and gradient 0. Raises UnknownNameError for a name, InputError for shapes that do not fit.

    >>> pairwise_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), "squared")
    tensor([[25.]])
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"vectors have shapes {tuple(a.shape)}, {tuple(b.shape)}; allowed: N×D and M×D")
    found = distance_function(distance)(a, b)
    if not callable(distance):
        return found
    check_distances(found, len(a), len(b))
    return found if found.is_floating_point() else found.float()


def check_distances(found: object, count: int, others: int) -> None:
    """Raise InputError unless what a distance function gave are numbers, N×M, that can be put in order."""
    if not isinstance(found, Tensor) or found.shape != (count, others) or found.is_complex():
        shown = (
            f"shape {tuple(found.shape)}, {found.dtype}"
            if isinstance(found, Tensor)
            else type(found).__name__
        )
        raise InputError(
            f"the distance gave {shown} for {count} and {others} vectors; allowed: a tensor N×M of real numbers"
        )
    if found.is_floating_point() and bool(found.isnan().any()):
        raise InputError("the distance gave nan; allowed: numbers, infinity for what is never near")


def refuse_negative(distances: Tensor, what: str) -> None:
    """Raise InputError where `what` squares distances or divides by them, and one is below 0."""
    least = float(distances.detach().min()) if distances.numel() else 0.0
    if least < 0:
        raise InputError(
            f"the distance gave {least:g}; {what} allows 0 and more, such as 1 − similarity in place of −similarity"
        )


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
