"""Sample: some images of a set to look at, spread over it, and their pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess, center_crop
from convnets.errors import ConfigError

__all__ = ["pixels_of", "spread_sample"]


def spread_sample(images: ImageSet, count: int | None) -> ImageSet:
    """At most `count` of the images, at equal distances in the set, which may be sorted by class; None takes all.

    >>> images = ImageSet(torch.zeros(10, 1, 4, 4, dtype=torch.uint8), torch.arange(10), tuple("abcdefghij"))
    >>> spread_sample(images, 4).labels.tolist()
    [0, 2, 5, 7]
    """
    if count is None or count >= len(images):
        return images
    if count < 1:
        raise ConfigError(f"{count} images; allowed: 1 or more")
    return images.subset([place * len(images) // count for place in range(count)])


def pixels_of(images: ImageSet, preprocess: Preprocess) -> Tensor:
    """uint8 N×C×H×W of all images of the set: as they are in memory, or of files what a network is shown of them."""
    if isinstance(images.images, Tensor):
        return images.images
    stored = torch.stack([preprocess.store(images.images.open(place)) for place in range(len(images))])
    return center_crop(stored, preprocess.size)
