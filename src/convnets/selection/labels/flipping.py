"""Labels flipped at random, to measure whether they are found again."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.errors import ConfigError

__all__ = ["flip_labels"]


def flip_labels(labels: Tensor, classes: int, share: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Labels N with `share` of them replaced by another class, each other one as likely; and their places, sorted.

    >>> flipped, places = flip_labels(torch.zeros(100, dtype=torch.int64), 10, 0.02)
    >>> len(places), int((flipped != 0).sum())
    (2, 2)
    """
    if not 0 < share < 1 or classes < 2:
        raise ConfigError(
            f"share is {share} of {classes} classes; allowed: between 0 and 1, 2 classes or more"
        )
    generator = generator_for(seed, "flipped labels")
    count = round(share * len(labels))
    places = torch.randperm(len(labels), generator=generator)[:count].sort().values
    shift = torch.randint(1, classes, (count,), generator=generator)
    flipped = labels.clone()
    flipped[places] = (labels[places] + shift) % classes
    return flipped, places
