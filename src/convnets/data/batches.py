"""Batches: the one route from an ImageSet to what a network is fed.

Order, augmentation and mixing are pure functions of (seed, epoch, step): neither the number of workers nor
where an epoch was entered changes them. N images of a batch, C channels, S side, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convnets.core.seeds import generator_for
from convnets.data.augment import Augmentation, augment_images
from convnets.data.image_set import ImageSet, PictureFiles
from convnets.data.mixing import Mixing, one_hot
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, ConvnetsError

__all__ = ["Batch", "Batches"]


@dataclass(frozen=True)
class Batch:
    """What the network sees in one step."""

    images: Tensor
    """float32 N×C×S×S, normalised, channels last in memory."""
    targets: Tensor
    """int64 N class indices; float N×K shares of the classes when images were mixed."""
    indices: Tensor
    """int64 N, each image's place in the ImageSet."""


class Batches:
    """An ImageSet as batches, epoch by epoch.

    A single image left over at the end joins the batch before it, because batch normalisation cannot learn
    from one image; any other remainder is a smaller last batch.

    >>> images = ImageSet(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1, 0]), ("a", "b"), "x")
    >>> batches = Batches(images, Preprocess.plain(1, 8), 2)
    >>> [len(batch.targets) for batch in batches.epoch()]
    [2, 3]
    """

    def __init__(
        self,
        image_set: ImageSet,
        preprocess: Preprocess,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        shuffle: bool = False,
        seed: int = 0,
        augment: Sequence[Augmentation] = (),
        mixing: Mixing | None = None,
        workers: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch size is {batch_size}; allowed: 1 or more")
        self.image_set, self.preprocess, self.batch_size = image_set, preprocess, batch_size
        self.device = torch.device(device)
        self.shuffle, self.seed = shuffle, seed
        self.augment, self.mixing = tuple(augment), mixing
        self._labels = image_set.labels.to(self.device)
        self._source: _Resident | _Streamed
        if isinstance(image_set.images, Tensor):
            self._source = _Resident(image_set.images.to(self.device))
        else:
            self._source = _Streamed(image_set.images, preprocess, workers)

    def __len__(self) -> int:
        """Batches in an epoch."""
        images = len(self.image_set)
        full, rest = divmod(images, self.batch_size)
        return max(1, full + (rest > 1 or (rest == 1 and self.batch_size == 1)))

    def order(self, epoch: int) -> Tensor:
        """int64 N: which image comes when in this epoch."""
        if not self.shuffle:
            return torch.arange(len(self.image_set))
        return torch.randperm(len(self.image_set), generator=generator_for(self.seed, "order", epoch))

    def epoch(self, number: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from step `start` on."""
        order, last = self.order(number), len(self) - 1
        steps = range(start, len(self))
        chosen = [
            order[step * self.batch_size : None if step == last else (step + 1) * self.batch_size]
            for step in steps
        ]
        for step, indices, stored in zip(steps, chosen, self._source.fetch(chosen), strict=True):
            yield self._prepare(stored.to(self.device), indices, number, step)

    def _prepare(self, stored: Tensor, indices: Tensor, epoch: int, step: int) -> Batch:
        images = self.preprocess.to_unit(stored)
        targets = self._labels[indices.to(self.device)]
        if self.augment or self.mixing:
            generator = generator_for(self.seed, "augment", epoch, step, device=self.device)
            images = augment_images(images, self.augment, generator)
        images = self.preprocess.normalise(self.preprocess.fit(images))
        if self.mixing:
            images, targets = self.mixing(images, one_hot(targets, len(self.image_set.classes)), generator)
        return Batch(images.contiguous(memory_format=torch.channels_last), targets, indices)


class _Resident:
    """Images in memory: a batch is one gather."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def fetch(self, chosen: Sequence[Tensor]) -> Iterator[Tensor]:
        for indices in chosen:
            yield self.pixels.index_select(0, indices.to(self.pixels.device))


class _Streamed(Dataset["list[Tensor | ConvnetsError]"]):
    """Images still in files: a batch is decoded here or by worker processes, a few batches ahead."""

    def __init__(self, pictures: PictureFiles, preprocess: Preprocess, workers: int) -> None:
        self.pictures, self.preprocess, self.workers = pictures, preprocess, workers

    def __getitem__(self, index: int) -> Tensor | ConvnetsError:  # type: ignore[override]
        try:
            return self.preprocess.store(self.pictures.open(index))
        except ConvnetsError as error:  # travels as a value: a worker's own traceback would bury the message
            return error

    def fetch(self, chosen: Sequence[Tensor]) -> Iterator[Tensor]:
        loader = DataLoader(
            self,
            batch_sampler=[indices.tolist() for indices in chosen],
            num_workers=self.workers,
            collate_fn=_together,
        )
        for pictures in loader:
            if isinstance(pictures, ConvnetsError):
                raise pictures
            yield pictures


def _together(pictures: list[Tensor | ConvnetsError]) -> Tensor | ConvnetsError:
    """One tensor for the batch, made in the worker: it then travels through one shared file, not one a picture."""
    tensors = []
    for picture in pictures:
        if isinstance(picture, ConvnetsError):
            return picture
        tensors.append(picture)
    return torch.stack(tensors)
