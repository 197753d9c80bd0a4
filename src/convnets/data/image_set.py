"""ImageSet: labelled images, the one noun that all data becomes before anything else happens to it.

N images, C channels (1 grey, 3 RGB), H height, W width, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from convnets.errors import DataError, InputError

__all__ = ["ImageSet", "PictureFiles", "Splits"]


@runtime_checkable
class PictureFiles(Protocol):
    """Pictures that are still files: what an ImageSet holds before they are decoded."""

    @property
    def names(self) -> Sequence[str]:
        """Each picture's path inside its folder or archive, for messages."""
        ...

    def __len__(self) -> int: ...

    def open(self, index: int) -> Any:
        """Picture `index` as a decoded, upright PIL image in mode L or RGB; raises ImageDecodeError."""
        ...

    def subset(self, indices: Sequence[int]) -> PictureFiles:
        """The pictures at `indices`, in that order."""
        ...

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names and content (or the archive's own checksums)."""
        ...


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images, labels, class names and where they came from.

    >>> images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    >>> set_ = ImageSet(images, torch.tensor([0, 1, 1, 0]), ("cat", "dog"), "an example")
    >>> len(set_), set_.class_counts()
    (4, {'cat': 2, 'dog': 2})
    """

    images: Tensor | PictureFiles
    """uint8 N×C×H×W in memory, or files of any size not decoded yet."""
    labels: Tensor
    """int64 N, each from 0 to K − 1."""
    classes: tuple[str, ...]
    """K class names; the index is the label."""
    source: str
    """Where the images came from, for people: a data set's name, a folder."""

    def __post_init__(self) -> None:
        if isinstance(self.images, Tensor):
            _check_images(self.images)
        if self.labels.dtype != torch.int64 or self.labels.ndim != 1:
            found = f"{self.labels.dtype} of shape {tuple(self.labels.shape)}"
            raise InputError(f"labels are {found}; allowed: int64 of shape (N,)")
        if len(self.labels) != len(self.images):
            raise InputError(
                f"{len(self.images)} images but {len(self.labels)} labels; each image needs one label"
            )
        if len(self.labels) == 0:
            raise DataError(f"{self.source}: no images; at least one is needed")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            wrong = low if low < 0 else high
            raise InputError(
                f"label {wrong} with {len(self.classes)} classes; allowed: 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        kind = " × ".join(map(str, self.images.shape[1:])) if isinstance(self.images, Tensor) else "files"
        return f"ImageSet({self.source}: {len(self):,} images, {kind}, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        from convnets.data.image_set_html import image_sets_html

        return image_sets_html(self.source, {"images": self})

    @property
    def resident(self) -> bool:
        """Whether the images are decoded and in memory."""
        return isinstance(self.images, Tensor)

    @property
    def pixels(self) -> Tensor:
        """The uint8 images N×C×H×W; raises DataError while they are still files."""
        if isinstance(self.images, Tensor):
            return self.images
        raise DataError(f"{self.source}: the images are still files; decode them first with decode_images()")

    @property
    def nbytes(self) -> int:
        """Bytes that the resident images take; 0 while they are still files."""
        return self.images.nbytes if isinstance(self.images, Tensor) else 0

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over images, labels and class names: equal sets have equal hashes."""
        digest = hashlib.sha256("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        digest.update(self.labels.numpy().tobytes())
        if isinstance(self.images, Tensor):
            digest.update(str(tuple(self.images.shape)).encode())
            digest.update(self.images.contiguous().numpy().data)
        else:
            digest.update(self.images.content_hash().encode())
        return digest.hexdigest()

    def class_counts(self) -> dict[str, int]:
        """Images of each class, in the order of the labels."""
        counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, counts, strict=True))

    def subset(self, indices: Tensor | Sequence[int]) -> ImageSet:
        """The images at `indices` (int64), in that order; class names and source stay."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        images = (
            self.images[chosen] if isinstance(self.images, Tensor) else self.images.subset(chosen.tolist())
        )
        return replace(self, images=images, labels=self.labels[chosen])


@dataclass(frozen=True)
class Splits:
    """What a data set offers: images to learn from, to choose by, and to be judged on once, at the end."""

    train: ImageSet
    validation: ImageSet | None = None
    test: ImageSet | None = None

    def __post_init__(self) -> None:
        for name, part in self.parts().items():
            if part.classes != self.train.classes:
                raise DataError(
                    f"classes of {name} are {part.classes}; of train {self.train.classes}; they must be equal"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, equal in every part."""
        return self.train.classes

    @property
    def source(self) -> str:
        """Where the images came from."""
        return self.train.source

    def parts(self) -> dict[str, ImageSet]:
        """The parts that are there, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def _repr_html_(self) -> str:
        from convnets.data.image_set_html import image_sets_html

        return image_sets_html(self.source, self.parts())


def _check_images(images: Tensor) -> None:
    shape = tuple(images.shape)
    if images.ndim == 4 and shape[3] in (1, 3, 4) and shape[1] not in (1, 3):
        raise InputError(
            f"images have shape {shape}, which looks like N×H×W×C; use images.permute(0, 3, 1, 2)"
        )
    if images.ndim != 4 or shape[1] not in (1, 3):
        raise InputError(
            f"images have shape {shape}; allowed: N×C×H×W with C = 1 or 3, such as images[:, None]"
        )
    if images.dtype != torch.uint8:
        raise InputError(
            f"images are {images.dtype}; allowed: uint8 from 0 to 255, such as (x * 255).round().to(torch.uint8)"
        )
