"""Data by the book's names; images stay in memory and a batch is one gather."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

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


class ImageLoader:
    """Batches (X, y) of images in memory: X float N×C×H×W from 0 to 1, not normalised, y int64 N.

    It has a length and can be iterated again, like PyTorch's DataLoader; the order is drawn anew each time from
    PyTorch's generator, so that `torch.manual_seed` governs it.
    """

    def __init__(
        self, images: ImageSet, batch_size: int, *, shuffle: bool, resize: int | tuple[int, int] | None = None
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; allowed: 1 or more")
        self.images, self.batch_size, self.shuffle = images, batch_size, shuffle
        self.resize = (resize, resize) if isinstance(resize, int) else resize

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self.images)
        order = torch.randperm(count) if self.shuffle else torch.arange(count)
        for indices in torch.split(order, self.batch_size):
            X = self.images.pixels.index_select(0, indices).float().div_(255)
            if self.resize is not None and self.resize != tuple(X.shape[2:]):
                X = F.interpolate(X, size=self.resize, mode="bilinear", antialias=True)
            yield X, self.images.labels[indices]

    @property
    def dataset(self) -> TensorDataset:
        """The images and labels as tensors."""
        return TensorDataset(self.images.pixels, self.images.labels)


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
