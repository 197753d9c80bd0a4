"""ImageSet: labeled images, the one noun that all data becomes before anything else happens to it.

N images, C channels (1 gray, 3 RGB), H height, W width, K classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from convnets.core.display.renderers import renderer
from convnets.data.given_arrays import as_class_names, as_labels, as_pixels
from convnets.data.indexing import Indices, chosen_places
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


@dataclass(frozen=True, eq=False, init=False)
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

    def __init__(
        self,
        images: Tensor | PictureFiles | Sequence[Any] | np.ndarray[Any, Any],
        labels: Tensor | Sequence[int] | Sequence[str] | np.ndarray[Any, Any],
        classes: Sequence[str],
        source: str = "given images",
    ) -> None:
        """Images as `as_pixels` takes them, or files; labels as `as_labels` does, N of them; K class names."""
        files = hasattr(type(images), "content_hash")  # asking the protocol itself would list every name
        object.__setattr__(self, "images", images if files else as_pixels(images))
        object.__setattr__(self, "classes", as_class_names(classes))
        object.__setattr__(self, "labels", as_labels(labels, self.classes))
        object.__setattr__(self, "source", source)
        self._check()

    def _check(self) -> None:
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
        return renderer(self, "html")(self.source, {"images": self})

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

    def subset(self, indices: Indices) -> ImageSet:
        """The images at `indices`, in that order, or those of a mask; class names and source stay.

        Whole numbers count from the end where they are negative; a mask has one boolean for each image. Raises
        InputError for anything else.

        >>> images = ImageSet(torch.zeros(3, 4, 4, dtype=torch.uint8), [0, 1, 0], ("cat", "dog"))
        >>> images.subset(images.labels == 0).class_counts()
        {'cat': 2, 'dog': 0}
        """
        chosen = chosen_places(indices, len(self))
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
    notes: tuple[str, ...] = ()
    """What was passed over when the images were found, for people."""

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
        return renderer(self, "html")(self.source, self.parts())
