"""Batches: the one route from an ImageSet to what a network is fed.

Order, augmentation and mixing are pure functions of (seed, epoch, step): neither the number of workers nor
where an epoch was entered changes them. N images of a batch, C channels, S side, K classes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convnets.core.forks import start_workers
from convnets.core.seeds import generator_for
from convnets.data.augmentation.augment import Augmentation, augment_images
from convnets.data.augmentation.mixing import Mixing, one_hot
from convnets.data.decode import count_failure
from convnets.data.image_set import ImageSet, PictureFiles
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, DataError, ImageDecodeError

__all__ = ["Batch", "Batches", "check_share"]


@dataclass(frozen=True)
class Batch:
    """What the network sees in one step."""

    images: Tensor
    """float32 N×C×S×S, normalized, contiguous."""
    targets: Tensor
    """int64 N class indices; float N×K shares of the classes when images were mixed."""
    indices: Tensor
    """int64 N, each image's place in the ImageSet."""
    whole: int | None = None
    """Images of this step over all processes that share it; None where none do, or some may be left out."""


class Batches:
    """An ImageSet as batches, epoch by epoch.

    A single image left over at the end joins the batch before it, because batch normalization cannot learn
    from one image; any other remainder is a smaller last batch. Where n = `share[1]` processes share each batch,
    rank r takes every n-th image of the batch from image r on, and a remainder of less than two images each joins.

    A picture that is still a file and cannot be decoded raises its ImageDecodeError. Up to `skip_corrupt` of them
    (each counts once, however many epochs meet it) are left out of their batches instead, with a logged warning;
    one more raises DataError.

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
        skip_corrupt: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch size is {batch_size}; allowed: 1 or more")
        self.rank, self.ranks = share
        check_share(batch_size, len(image_set), self.ranks)
        self.image_set, self.preprocess, self.batch_size = image_set, preprocess, batch_size
        self.device = torch.device(device)
        self.shuffle, self.seed = shuffle, seed
        self.augment, self.mixing = tuple(augment), mixing
        self.skip_corrupt = skip_corrupt
        self.left_out: list[int] = []
        """Places in the ImageSet of the pictures that could not be decoded so far, at most `skip_corrupt`."""
        self._source: _Resident | _Streamed
        if isinstance(image_set.images, Tensor):
            self._source = _Resident(image_set.images.to(self.device))
        else:
            self._source = _Streamed(image_set.images, preprocess, workers)

    def __len__(self) -> int:
        """Batches in an epoch."""
        images = len(self.image_set)
        full, rest = divmod(images, self.batch_size)
        return max(1, full + (rest >= 2 * self.ranks))

    def order(self, epoch: int) -> Tensor:
        """int64 N: which image comes when in this epoch."""
        if not self.shuffle:
            return torch.arange(len(self.image_set))
        return torch.randperm(len(self.image_set), generator=generator_for(self.seed, "order", epoch))

    def steps(self, epoch: int) -> list[Tensor]:
        """int64 tensors: which images are in each batch of this epoch, of this process's share."""
        order, last = self.order(epoch), len(self) - 1
        size = self.batch_size
        ends = [len(order) if step == last else (step + 1) * size for step in range(len(self))]
        return [order[step * size + self.rank : end : self.ranks] for step, end in enumerate(ends)]

    def images_in(self, step: int) -> int:
        """Images of a step, over all processes that share it."""
        last = step == len(self) - 1
        return len(self.image_set) - step * self.batch_size if last else self.batch_size

    def epoch(self, number: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from step `start` on."""
        steps = range(start, len(self))
        chosen = self.steps(number)[start:]
        targets = _in_one_copy([self.image_set.labels[indices] for indices in chosen], self.device)
        for step, indices, labels, stored in zip(
            steps, chosen, targets, self._source.fetch(chosen), strict=True
        ):
            if isinstance(stored, _Incomplete):
                kept = self._leave_out(indices, stored)
                pictures, labels = stored.pictures[kept].to(self.device), labels[kept.to(self.device)]
                batch = self._prepare(pictures, labels, indices[kept], number, step)
            else:
                batch = self._prepare(stored.to(self.device), labels, indices, number, step)
            shared = self.ranks > 1 and not self.skip_corrupt
            yield replace(batch, whole=self.images_in(step)) if shared else batch

    def _leave_out(self, indices: Tensor, batch: _Incomplete) -> Tensor:
        """Places in the batch of the pictures that are there; raises when more are missing than is allowed."""
        for place, error in batch.errors.items():
            index = int(indices[place])
            if index not in self.left_out:
                source = self.image_set.source
                count_failure(error, self.left_out, index, self.skip_corrupt, source, None)
        kept = torch.tensor([place for place in range(len(indices)) if place not in batch.errors])
        if not len(kept):
            error = batch.errors[0]
            raise DataError(
                f"{self.image_set.source}: no picture of a batch can be decoded; the first: {error}"
            )
        if self.shuffle and len(kept) == 1 and len(indices) > 1:
            kept = kept.repeat(2)  # batch norm cannot learn from one image
        return kept

    def _prepare(self, stored: Tensor, targets: Tensor, indices: Tensor, epoch: int, step: int) -> Batch:
        images = self.preprocess.to_unit(stored)
        if self.augment or self.mixing:
            own = ("rank", self.rank) if self.ranks > 1 else ()  # no two processes draw the same
            generator = generator_for(self.seed, "augment", epoch, step, *own, device=self.device)
            images = augment_images(images, self.augment, generator)
        images = self.preprocess.normalize(self.preprocess.fit(images))
        if self.mixing:
            images, targets = self.mixing(images, one_hot(targets, len(self.image_set.classes)), generator)
        return Batch(images.contiguous(), targets, indices)


def check_share(batch_size: int, images: int, processes: int) -> None:
    """Raise ConfigError where several processes could not each have two images of every batch."""
    if processes > 1 and min(batch_size, images) < 2 * processes:
        raise ConfigError(
            f"batch size {batch_size} on {images} images is shared by {processes} processes; "
            "allowed: at least 2 images for each; give a larger batch_size or start fewer processes"
        )


class _Resident:
    """Images in memory: a batch is one gather."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def fetch(self, chosen: Sequence[Tensor]) -> Iterator[Tensor]:
        for indices in _in_one_copy(chosen, self.pixels.device):
            yield self.pixels.index_select(0, indices)


def _in_one_copy(numbers: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """int64 tensors on `device`: each copy to a GPU waits until it has done all it was given before."""
    if device.type == "cpu":
        return numbers
    moved = torch.cat(list(numbers)).to(device) if numbers else torch.empty(0)
    return torch.split(moved, [len(each) for each in numbers])


class _Streamed(Dataset["list[Tensor | ImageDecodeError]"]):
    """Images still in files: a batch is decoded here or by worker processes, a few batches ahead."""

    def __init__(self, pictures: PictureFiles, preprocess: Preprocess, workers: int) -> None:
        self.pictures, self.preprocess, self.workers = pictures, preprocess, workers

    def __getitem__(self, index: int) -> Tensor | ImageDecodeError:  # type: ignore[override]
        try:
            return self.preprocess.store(self.pictures.open(index))
        except (
            ImageDecodeError
        ) as error:  # travels as a value: a worker's own traceback would bury the message
            return error

    def fetch(self, chosen: Sequence[Tensor]) -> Iterator[Tensor | _Incomplete]:
        loader = DataLoader(
            self,
            batch_sampler=[indices.tolist() for indices in chosen],
            num_workers=min(self.workers, len(chosen)) if len(chosen) > 1 else 0,  # for one there is no ahead
            collate_fn=_together,
            worker_init_fn=_leave_signals_to_parent,
        )
        try:
            yield from start_workers(loader)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"a process that decodes images has died ({str(error).splitlines()[0]}); probably out of memory: "
                f"continue with --resume, or use fewer workers than {self.workers} (0 decodes in the main process)"
            ) from None


def _leave_signals_to_parent(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the parent ends its workers when it has saved the run."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@dataclass(frozen=True)
class _Incomplete:
    """A batch with pictures that could not be decoded."""

    pictures: Tensor
    """uint8 N×C×R×R; zeros where a picture is missing."""
    errors: dict[int, ImageDecodeError]
    """Place in the batch → why it is missing."""


def _together(pictures: list[Tensor | ImageDecodeError]) -> Tensor | _Incomplete:
    """One tensor for the batch, made in the worker: it then travels through one shared file, not one a picture."""
    tensors = [picture for picture in pictures if isinstance(picture, Tensor)]
    if len(tensors) == len(pictures):
        return torch.stack(tensors)
    errors = {place: error for place, error in enumerate(pictures) if isinstance(error, ImageDecodeError)}
    blank = torch.zeros_like(tensors[0]) if tensors else torch.zeros(1, 1, 1, dtype=torch.uint8)
    return _Incomplete(torch.stack([p if isinstance(p, Tensor) else blank for p in pictures]), errors)
