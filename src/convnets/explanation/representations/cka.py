"""Linear CKA: how alike two layers lay the same images out. N images, P and Q numbers that the layers give of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = ["CkaSums", "linear_cka"]


def linear_cka(first: Tensor, second: Tensor) -> float:
    """‖YᵀX‖² / (‖XᵀX‖·‖YᵀY‖) of N×P and N×Q, centered, with Frobenius norms; 0 to 1, computed in float64.

    1 where one is the other turned, mirrored or scaled as a whole (Kornblith, Norouzi, Lee & Hinton 2019, "Similarity
    of neural network representations revisited"). Of N×N or P×Q products the smaller ones are taken: both are equal.
    Raises InputError for different N, or where one gives the same for every image.

    >>> points = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]])
    >>> round(linear_cka(points, 5 * points.flip(1) - 1), 6)
    1.0
    """
    x, y = _centered(first), _centered(second)
    if len(x) != len(y):
        raise InputError(f"{len(x)} and {len(y)} images; CKA needs both layers' answers to the same ones")
    if len(x) < max(x.shape[1], y.shape[1]):
        gram, other = x @ x.T, y @ y.T
        parts = (gram * other).sum(), gram.square().sum(), other.square().sum()
    else:
        parts = (x.T @ y).square().sum(), (x.T @ x).square().sum(), (y.T @ y).square().sum()
    shared, own, theirs = (float(part) for part in parts)
    if min(own, theirs) == 0:
        raise InputError("a layer gives the same for every image; CKA is not defined")
    return shared / math.sqrt(own * theirs)


def _centered(given: Tensor) -> Tensor:
    values = given.detach().flatten(1).double()
    return values - values.mean(0)


@dataclass(eq=False)
class CkaSums:
    """CKA of every layer of one network with every one of another, from batches that are seen once and forgotten.

    Of each batch of n images HSIC₁ (Song et al. 2012) is added up, which has no bias by the size of the batch:
    (tr(K̃L̃) + 1ᵀK̃1·1ᵀL̃1 / ((n − 1)(n − 2)) − 2·1ᵀK̃L̃1 / (n − 2)) / (n(n − 3)), K̃ = XXᵀ with a diagonal of zeros.
    CKA = Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K)·Σ HSIC₁(L, L)) (Nguyen, Raghu & Kornblith 2021, "Do wide and deep networks
    learn the same things?"). In memory are n×n numbers per layer. Around 0 it can be negative.

    >>> generator = torch.Generator().manual_seed(0)
    >>> points = torch.randn(12, 3, generator=generator)
    >>> sums = CkaSums()
    >>> sums.add([points], [2 * points])
    >>> sums.matrix().round(decimals=6).abs()
    tensor([[1.]], dtype=torch.float64)
    """

    images: int = 0
    """How many were added."""
    _shared: Tensor = field(default_factory=lambda: torch.zeros(()), repr=False)
    _own: Tensor = field(default_factory=lambda: torch.zeros(()), repr=False)
    _theirs: Tensor = field(default_factory=lambda: torch.zeros(()), repr=False)

    def add(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> None:
        """One batch: what each layer of the first and of the second network gives, N×…, of the same N images.

        Raises InputError for fewer than 4 images.
        """
        count = len(first[0])
        if count < 4 or any(len(each) != count for each in (*first, *second)):
            raise InputError(f"a batch of {count} images; CKA needs at least 4, the same for every layer")
        rows = torch.stack([_gram(each) for each in first])
        columns = rows if second is first else torch.stack([_gram(each) for each in second])
        self._shared = self._shared + _hsic(rows, columns)
        self._own = self._own + torch.stack([_hsic(each[None], each[None])[0, 0] for each in rows])
        self._theirs = self._theirs + torch.stack([_hsic(each[None], each[None])[0, 0] for each in columns])
        self.images += count

    def matrix(self) -> Tensor:
        """float64, layers of the first × layers of the second; NaN where a layer gives the same for every image."""
        if not self.images:
            raise InputError("no images were added; CKA needs at least 4")
        norm = (self._own.clamp(min=0)[:, None] * self._theirs.clamp(min=0)[None]).sqrt()
        return torch.where(norm > 0, self._shared / norm, torch.nan)


def _gram(given: Tensor) -> Tensor:
    """n×n: inner products of what a layer gives of n images, centered first, which changes nothing but rounding."""
    values = given.detach().flatten(1)
    if values.dtype != torch.float64:
        values = values.float()
    values = values - values.mean(0)
    return (values @ values.T).double().fill_diagonal_(0.0)


def _hsic(rows: Tensor, columns: Tensor) -> Tensor:
    """HSIC₁ of R×n×n with C×n×n Gram matrices whose diagonals are zero: R×C."""
    n = rows.shape[-1]
    traces = rows.flatten(1) @ columns.flatten(1).T
    sums, others = rows.sum(2), columns.sum(2)  # R×n, C×n
    products = sums.sum(1)[:, None] * others.sum(1)[None] / ((n - 1) * (n - 2))
    return (traces + products - 2 / (n - 2) * (sums @ others.T)) / (n * (n - 3))
