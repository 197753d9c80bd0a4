"""Pictures in memory as PyTorch's data sets are: an index gives a picture and its label."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from convnets.data.image_set import ImageSet

__all__ = ["PictureDataset"]


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """Pairs (float C×H×W from 0 to 1, int) of an `ImageSet`, of size `resize` (a number, or height and width).

    The names are those of torchvision's data sets. Pictures lie in memory as uint8 and become floats when asked for.

    >>> images = ImageSet(torch.full((2, 1, 4, 4), 51, dtype=torch.uint8), torch.tensor([1, 0]), ("a", "b"), "made up")
    >>> X, y = PictureDataset(images, resize=8)[0]
    >>> X.shape, X.unique(), y
    (torch.Size([1, 8, 8]), tensor([0.2000]), 1)
    """

    def __init__(self, images: ImageSet, resize: int | tuple[int, int] | None = None) -> None:
        self.images = images
        self.resize = (resize, resize) if isinstance(resize, int) else resize

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"PictureDataset({self.images!r}, resize={self.resize})"

    def _repr_html_(self) -> str:
        return self.images._repr_html_()

    def __getitem__(self, index: SupportsIndex) -> tuple[Tensor, int]:
        place, count = operator.index(index), len(self)
        if not -count <= place < count:  # an IndexError is what ends a `for` over the pictures
            raise IndexError(f"index {place} of {count:,} pictures; allowed: {-count} to {count - 1}")
        X, y = self.batch(torch.tensor([place % count]))
        return X[0], int(y[0])

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        """The pairs of a batch, made at once: PyTorch's DataLoader asks for them so."""
        X, y = self.batch(torch.as_tensor(indices))
        return list(zip(X, y.tolist(), strict=True))

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures at `indices` (int64 N) as float N×C×H×W from 0 to 1, and their labels, int64 N."""
        X = self.pixels.index_select(0, indices).float().div_(255)
        if self.resize is not None and tuple(self.resize) != tuple(X.shape[2:]):
            X = F.interpolate(X, size=tuple(self.resize), mode="bilinear", antialias=True)
        return X.contiguous(), self.labels[indices]

    def subset(self, indices: Sequence[int] | Tensor) -> PictureDataset:
        """The pictures at `indices`, in that order."""
        return PictureDataset(self.images.subset(indices), self.resize)

    @property
    def pixels(self) -> Tensor:
        """The pictures as they were read, uint8 N×C×H×W."""
        return self.images.pixels

    @property
    def labels(self) -> Tensor:
        """The class of each, int64 N."""
        return self.images.labels

    @property
    def data(self) -> Tensor:
        """The pictures as they were read, as torchvision has them: uint8 N×H×W of gray ones, N×H×W×C of others."""
        return self.pixels.squeeze(1) if self.pixels.shape[1] == 1 else self.pixels.permute(0, 2, 3, 1)

    @property
    def targets(self) -> Tensor:
        """The class of each, int64 N."""
        return self.labels

    @property
    def classes(self) -> list[str]:
        """The classes' names."""
        return list(self.images.classes)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: number for number, name in enumerate(self.classes)}
