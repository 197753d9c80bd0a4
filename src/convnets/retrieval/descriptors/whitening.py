"""Whitening: turn vectors so that their directions are uncorrelated, and give each the same spread.

N vectors, D numbers each, E directions kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError

__all__ = ["Whitening", "fit_whitening"]

_SMALLEST_SHARE = 1e-6  # of the largest variance: directions below it are rounding, not content


@dataclass(frozen=True, eq=False)
class Whitening:
    """y = (x − mean) · projectionᵀ, with the principal directions each divided by its standard deviation."""

    mean: Tensor
    """float32 D."""
    projection: Tensor
    """float32 E×D."""
    explained: float
    """Share of the variance that the E directions hold, 0 to 1."""

    def __call__(self, vectors: Tensor) -> Tensor:
        """float N×D → float32 N×E; raises InputError for vectors of another length."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise InputError(
                f"vectors have shape {tuple(vectors.shape)}; the whitening was fitted on N×{len(self.mean)}"
            )
        mean, projection = self.mean.to(vectors.device), self.projection.to(vectors.device)
        return (vectors.float() - mean) @ projection.T


def fit_whitening(vectors: Tensor, size: int | None = None) -> Whitening:
    """Principal components of float N×D `vectors`, the `size` of largest variance (None: all that are not noise).

    The covariance is divided by N − 1 and decomposed in float64. Source: Jégou & Chum 2012, "Negative evidences and
    co-occurrences in image retrieval: the benefit of PCA and whitening", section 3. Raises InputError for fewer
    than 2 vectors or for vectors that are all equal, ConfigError where `size` is more than the vectors can fill.

    >>> vectors = torch.randn(500, 3) @ torch.tensor([[3.0, 0, 0], [1, 1, 0], [0, 0, 0.1]])
    >>> whitened = fit_whitening(vectors)(vectors)
    >>> torch.allclose(whitened.T @ whitened / 499, torch.eye(3), atol=1e-3)
    True
    """
    if vectors.ndim != 2 or len(vectors) < 2:
        raise InputError(f"vectors have shape {tuple(vectors.shape)}; allowed: N×D with N ≥ 2")
    exact = vectors.double()
    mean = exact.mean(0)
    centered = exact - mean
    variances, directions = torch.linalg.eigh(centered.T @ centered / (len(vectors) - 1))
    variances, directions = variances.flip(0).clamp(min=0), directions.flip(1)  # the largest first
    if float(variances[0]) == 0:
        raise InputError(f"{len(vectors)} vectors are all equal; whitening needs vectors that differ")
    filled = int((variances > _SMALLEST_SHARE * variances[0]).sum())
    kept = filled if size is None else size
    if not 1 <= kept <= filled:
        raise ConfigError(
            f"whitening to {kept} numbers; these vectors allow 1 to {filled}; give fewer, or more vectors"
        )
    projection = directions[:, :kept].T / variances[:kept, None].sqrt()
    explained = float(variances[:kept].sum() / variances.sum())
    return Whitening(mean.float(), projection.float(), explained)
