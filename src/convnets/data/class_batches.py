"""ClassBatches: P classes with K images of each, so that every image has positives and negatives in its batch."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.data.augmentation.augment import Augmentation
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, DataError

__all__ = ["BatchShape", "ClassBatches", "class_order"]

_FEWEST_IMAGES = 4  # K where the classes are many: 128 images are 32 classes of 4, as in Hermans et al. 2017


@dataclass(frozen=True)
class BatchShape:
    """P classes with K images each."""

    classes: int
    images_per_class: int

    @classmethod
    def of(cls, images: ImageSet, batch_size: int, images_per_class: int | None = None) -> BatchShape:
        """`choose` for the classes that `images` has images of."""
        present = sum(count > 0 for count in images.class_counts().values())
        return cls.choose(min(batch_size, len(images)), present, images_per_class)

    @classmethod
    def choose(cls, batch_size: int, classes: int, images_per_class: int | None = None) -> BatchShape:
        """At most `batch_size` images of at most `classes` classes; K = 4, or more where the classes are too few.

        Raises ConfigError where not even two classes with two images fit.

        >>> BatchShape.choose(128, classes=10), BatchShape.choose(128, classes=1000)
        (BatchShape(classes=10, images_per_class=12), BatchShape(classes=32, images_per_class=4))
        """
        each = images_per_class or min(max(_FEWEST_IMAGES, batch_size // classes), batch_size // 2)
        chosen = cls(min(classes, batch_size // each if each else 0), each)
        if each < 2 or chosen.classes < 2:
            raise ConfigError(
                f"batch size {batch_size} with {each} images per class holds {chosen.classes} classes; "
                "allowed: at least 2 images of 2 classes; give a larger batch_size"
            )
        return chosen


class ClassBatches(Batches):
    """An ImageSet as batches of P classes × K images, in a new random arrangement each epoch.

    In an epoch every image comes once, as far as the numbers allow: of a class whose images are no multiple of K
    some come a second time, and what is left of a class when no other class is left is not shown in this epoch.

    >>> images = ImageSet(torch.zeros(8, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 4), ("a", "b"), "x")
    >>> batches = ClassBatches(images, Preprocess.plain(1, 8), BatchShape(2, 2))
    >>> [batch.targets.sort().values.tolist() for batch in batches.epoch()]
    [[0, 0, 1, 1], [0, 0, 1, 1]]
    """

    def __init__(
        self,
        image_set: ImageSet,
        preprocess: Preprocess,
        shape: BatchShape,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        augment: Sequence[Augmentation] = (),
        workers: int = 0,
        skip_corrupt: int = 0,
    ) -> None:
        super().__init__(
            image_set,
            preprocess,
            shape.classes * shape.images_per_class,
            device=device,
            shuffle=True,
            seed=seed,
            augment=augment,
            workers=workers,
            skip_corrupt=skip_corrupt,
        )
        self.shape = shape
        counts = [count for count in torch.bincount(image_set.labels).tolist() if count]
        if len(counts) < shape.classes:
            raise ConfigError(
                f"{image_set.source} has images of {len(counts)} classes; a batch takes {shape.classes}: allow fewer"
            )
        self._steps = len(
            _arrange([_groups(n, shape.images_per_class) for n in counts], shape.classes, repeat(0.0))
        )
        if self._steps == 0:
            raise DataError(f"{image_set.source}: too few images for one batch of {shape}")

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._steps

    def order(self, epoch: int) -> Tensor:
        """int64 steps·P·K: which image comes when in this epoch."""
        return class_order(self.image_set.labels, self.shape, self.seed, epoch)


def class_order(labels: Tensor, shape: BatchShape, seed: int, epoch: int = 0) -> Tensor:
    """Places of the images, int64 steps·P·K, batch after batch; a pure function of its arguments.

    >>> class_order(torch.tensor([0, 0, 1, 1]), BatchShape(2, 2), seed=0).shape
    torch.Size([4])
    """
    generator = generator_for(seed, "class order", epoch)
    groups: list[Tensor] = []  # of all classes, one after the other
    counts: list[int] = []
    for label in torch.bincount(labels).nonzero().flatten().tolist():
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        counts.append(_groups(len(members), shape.images_per_class))
        places = torch.arange(counts[-1] * shape.images_per_class) % len(members)
        groups += list(members[places].view(counts[-1], shape.images_per_class))
    draws = torch.rand(len(groups), generator=generator).tolist()
    next_group = [sum(counts[:place]) for place in range(len(counts))]
    batches = []
    for classes in _arrange(counts, shape.classes, draws):
        batches.append(torch.cat([groups[next_group[place]] for place in classes]))
        for place in classes:
            next_group[place] += 1
    shuffled = torch.randperm(len(batches), generator=generator).tolist()
    return torch.cat([batches[place] for place in shuffled])


def _groups(images: int, each: int) -> int:
    return -(-images // each)


def _arrange(groups: Sequence[int], classes: int, draws: Iterable[float]) -> list[list[int]]:
    """Which classes each batch takes a group of: always those with the most groups left, so that few are left over.

    Among equals a draw decides, anew each time, so that classes meet in changing company; how many batches there
    are does not depend on it.
    """
    draw = iter(draws)
    heap = [(-count, next(draw), place) for place, count in enumerate(groups) if count]
    heapq.heapify(heap)
    batches: list[list[int]] = []
    while len(heap) >= classes:
        taken = [heapq.heappop(heap) for _ in range(classes)]
        batches.append([place for _, _, place in taken])
        for left, _, place in taken:
            if left + 1 < 0:
                heapq.heappush(heap, (left + 1, next(draw), place))
    return batches
