"""Data by the book's names; images stay in memory and a batch is one gather."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from convnets.d2l.data.picture_dataset import PictureDataset
from convnets.data.image_set import ImageSet
from convnets.data.sources import load_data
from convnets.errors import ConfigError

__all__ = [
    "ImageLoader",
    "data_iter",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "load_array",
    "load_data_fashion_mnist",
    "synthetic_data",
]

# The book's names of the classes, which differ from the published ones in case
_LABELS = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


class ImageLoader(DataLoader[Any]):
    """Batches (X, y) of images in memory: X float N×C×H×W from 0 to 1, not normalized, y int64 N.

    A DataLoader of PyTorch's with its attributes (`dataset`, `sampler`, `batch_sampler`, `num_workers`, `drop_last` …),
    but that a batch is made at once and without other processes. The order is drawn anew each time from PyTorch's
    generator, so that `torch.manual_seed` governs it.
    """

    def __init__(
        self,
        images: ImageSet | PictureDataset,
        batch_size: int,
        *,
        shuffle: bool,
        resize: int | tuple[int, int] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; allowed: 1 or more")
        pictures = images if isinstance(images, PictureDataset) else PictureDataset(images)
        if resize is not None:
            pictures = PictureDataset(pictures.images, resize)
        super().__init__(pictures, batch_size, shuffle=shuffle)
        self.images, self.pictures, self.shuffle = pictures.images, pictures, shuffle
        self.resize = pictures.resize

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:  # type: ignore[override]
        count = len(self.pictures)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        assert self.batch_size is not None
        for indices in torch.split(order, self.batch_size):
            yield self.pictures.batch(indices)


class _Workers(int):
    """A number of processes that can also be called for it, as the book does and does not."""

    def __call__(self) -> int:
        return int(self)


get_dataloader_workers = _Workers(0)
"""Processes that read images: none, since they are in memory. Works with and without parentheses."""


def load_data_fashion_mnist(
    batch_size: int, resize: int | tuple[int, int] | None = None
) -> tuple[ImageLoader, ImageLoader]:
    """Fashion-MNIST as batches to train on, shuffled, and to test on."""
    splits = load_data("fashion-mnist")
    assert splits.test is not None
    return (
        ImageLoader(splits.train, batch_size, shuffle=True, resize=resize),
        ImageLoader(splits.test, batch_size, shuffle=False, resize=resize),
    )


def get_fashion_mnist_labels(labels: Sequence[Any] | Tensor) -> list[str]:
    """Names of Fashion-MNIST's classes.

    >>> get_fashion_mnist_labels([0, 9])
    ['t-shirt', 'ankle boot']
    """
    return [_LABELS[int(label)] for label in labels]


def load_array(
    data_arrays: Sequence[Tensor], batch_size: int, is_train: bool = True
) -> DataLoader[tuple[Tensor, ...]]:
    """Tensors of one length as batches, shuffled for training."""
    return DataLoader(TensorDataset(*data_arrays), batch_size, shuffle=is_train)


def synthetic_data(w: Tensor, b: float, num_examples: int) -> tuple[Tensor, Tensor]:
    """X from a normal distribution and y = Xw + b + noise of spread 0.01, N×1."""
    X = torch.normal(0, 1, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    y = y + torch.normal(0, 0.01, y.shape)
    return X, y.reshape((-1, 1))


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in a random order, by hand."""
    indices = list(range(len(features)))
    random.shuffle(indices)
    for chosen in torch.split(torch.tensor(indices), batch_size):
        yield features[chosen], labels[chosen]
