"""Class-disjoint splits: some classes to learn from, the others to be searched by a network that never saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from convnets.core.seeds import generator_for
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import ConfigError, UnknownNameError

__all__ = ["choose_held_out", "keep_classes", "without_classes"]


def keep_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """The images of the classes `names` alone, labeled 0 … len(names) − 1 in that order.

    Raises UnknownNameError for a class that is not there, ConfigError for no class or one named twice.

    >>> pixels = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 2, 2]), ("a", "b", "c"), "x")
    >>> keep_classes(images, ["c", "a"]).labels
    tensor([1, 0, 0])
    """
    for name in names:
        if name not in images.classes:
            raise UnknownNameError("class", name, images.classes, f"these are the classes of {images.source}")
    if not names or len(set(names)) != len(names):
        raise ConfigError(f"classes {list(names)}; allowed: at least one, each named once")
    new_label = torch.full((len(images.classes),), -1)
    for label, name in enumerate(names):
        new_label[images.classes.index(name)] = label
    labels = new_label[images.labels]
    chosen = images.subset((labels >= 0).nonzero().flatten())
    return replace(chosen, labels=labels[labels >= 0], classes=tuple(names))


def without_classes(splits: Splits, held_out: Sequence[str]) -> tuple[Splits, Splits]:
    """(`splits` of all other classes, `splits` of the classes `held_out`).

    >>> pixels = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    >>> splits = Splits(ImageSet(pixels, torch.tensor([0, 1, 2, 2]), ("a", "b", "c"), "x"))
    >>> [part.classes for part in without_classes(splits, ["b"])]
    [('a', 'c'), ('b',)]
    """
    seen = [name for name in splits.classes if name not in held_out]
    return _of_classes(splits, seen), _of_classes(splits, held_out)


def choose_held_out(classes: Sequence[str], count: int, seed: int = 0) -> tuple[str, ...]:
    """`count` of the class names, drawn by `seed` alone, in their own order; raises ConfigError for too many.

    >>> choose_held_out(["a", "b", "c"], 2) == choose_held_out(["a", "b", "c"], 2)
    True
    """
    if not 1 <= count < len(classes):
        raise ConfigError(f"{count} of {len(classes)} classes held out; allowed: 1 to {len(classes) - 1}")
    drawn = torch.randperm(len(classes), generator=generator_for(seed, "held-out classes"))[:count]
    return tuple(classes[place] for place in sorted(drawn.tolist()))


def _of_classes(splits: Splits, names: Sequence[str]) -> Splits:
    kept = {part: keep_classes(images, names) for part, images in splits.parts().items()}
    return Splits(kept["train"], kept.get("validation"), kept.get("test"))
