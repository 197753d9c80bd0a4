"""Which images of a batch are pairs, and how far apart they are. N vectors of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = ["PairStatistics", "check_batch", "mean_distances", "pair_masks"]


@dataclass(frozen=True)
class PairStatistics:
    """What a loss saw in one batch; scalars on the batch's device, without gradients."""

    active: Tensor
    """Share of the batch's valid triplets (or pairs) that the loss is not yet content with, 0 to 1."""
    positive_distance: Tensor
    """Mean distance of two different images of a class."""
    negative_distance: Tensor
    """Mean distance of two images of different classes."""


def check_batch(vectors: Tensor, labels: Tensor) -> None:
    """Raise InputError unless these are float vectors N×D and integer labels N."""
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1] or labels.is_floating_point():
        raise InputError(
            f"vectors have shape {tuple(vectors.shape)}, labels {tuple(labels.shape)} of {labels.dtype}; "
            "allowed: N×D and int64 N"
        )


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """bool N×N: pairs of one class without an image and itself, and pairs of different classes.

    >>> positive, negative = pair_masks(torch.tensor([0, 0, 1]))
    >>> positive.sum().item(), negative.sum().item()
    (2, 4)
    """
    same = labels[:, None] == labels[None, :]
    positive = same.clone().fill_diagonal_(False)
    return positive, ~same


@torch.no_grad()
def mean_distances(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of N×N `distances` over the positive and over the negative pairs; 0 where there are none."""
    positive, negative = pair_masks(labels)
    return _mean_where(distances, positive), _mean_where(distances, negative)


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
