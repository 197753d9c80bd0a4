"""Principal components: the directions along which vectors differ most. N vectors, D numbers each, k components."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = ["PrincipalComponents", "principal_components"]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Where vectors lie, and how they spread around it; all tensors are float64."""

    mean: Tensor
    """D."""
    directions: Tensor
    """k×D, of length 1, at right angles; the largest entry of each is positive, so that a map does not flip."""
    variances: Tensor
    """k: variance along each direction, of the sample (divided by N − 1), the largest first."""
    shares: Tensor
    """k: the same as a share of the whole variance."""

    def project(self, vectors: Tensor) -> Tensor:
        """N×D → N×k: places along the directions, measured from the mean."""
        return (vectors.double() - self.mean) @ self.directions.T


def principal_components(vectors: Tensor, count: int = 2) -> PrincipalComponents:
    """The `count` directions of largest variance of N×D vectors, by the singular values of the centered ones.

    X − mean = U S Vᵀ; the directions are rows of Vᵀ, the variances S² / (N − 1) (Pearson 1901, "On lines and planes of
    closest fit to systems of points in space"). Computed in float64. Raises InputError where there are fewer than
    `count` + 1 vectors or `count` numbers, where a number is not finite, or where all vectors are equal.

    >>> line = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    >>> principal_components(line, 1).directions
    tensor([[0.4472, 0.8944]], dtype=torch.float64)
    """
    if vectors.ndim != 2 or count < 1 or min(len(vectors) - 1, vectors.shape[1]) < count:
        raise InputError(
            f"{count} components of vectors {tuple(vectors.shape)}; allowed: N×D with N above and D at least the count"
        )
    values = vectors.detach().double()
    if not values.isfinite().all():
        raise InputError("vectors hold NaN or infinity; components need finite numbers")
    mean = values.mean(0)
    _, spread, directions = torch.linalg.svd(values - mean, full_matrices=False)
    variances = spread.square() / (len(values) - 1)
    if float(variances.sum()) == 0:
        raise InputError("all vectors are equal; there is no direction in which they differ")
    kept = directions[:count]
    largest = kept.gather(1, kept.abs().argmax(1, keepdim=True))
    return PrincipalComponents(
        mean, kept * largest.sign(), variances[:count], variances[:count] / variances.sum()
    )
