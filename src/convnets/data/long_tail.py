"""Long tails: a subset in which some classes have many images and others few, to practice on."""

from __future__ import annotations

import torch

from convnets.core.seeds import generator_for
from convnets.data.image_set import ImageSet
from convnets.errors import ConfigError

__all__ = ["long_tailed"]


def long_tailed(image_set: ImageSet, ratio: float, *, seed: int) -> ImageSet:
    """The subset whose class sizes fall geometrically, the largest `ratio` times the smallest (Cui et al. 2019).

    Which classes are rare, and which images stay, is a pure function of labels and `seed`; the largest class has as
    many images as the smallest of the whole set. Raises ConfigError for a ratio below 1.

    >>> labels = torch.arange(3).repeat(100)
    >>> whole = ImageSet(torch.zeros(300, 1, 2, 2, dtype=torch.uint8), labels, ("a", "b", "c"), "an example")
    >>> sorted(long_tailed(whole, 100, seed=0).class_counts().values())
    [1, 10, 100]
    """
    if not ratio >= 1:
        raise ConfigError(f"ratio is {ratio}; allowed: 1 or more, the largest class over the smallest")
    generator = generator_for(seed, "long tail")
    classes = torch.bincount(image_set.labels).nonzero().flatten()
    classes = classes[torch.randperm(len(classes), generator=generator)]
    most = min(int((image_set.labels == label).sum()) for label in classes)
    kept = []
    for rank, label in enumerate(classes.tolist()):
        members = (image_set.labels == label).nonzero().flatten()
        count = max(1, round(most * ratio ** (-rank / max(1, len(classes) - 1))))
        kept.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return image_set.subset(torch.cat(kept).sort().values)
