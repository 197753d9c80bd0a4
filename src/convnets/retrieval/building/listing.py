"""Listing: images that are to be indexed, with a path and columns for each, and no picture opened yet."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.data.image_set import ImageSet, PictureFiles, Splits
from convnets.data.images.folder import FolderPictures
from convnets.data.images.image_inputs import Picture, expand_folders, file_of, name_of, open_given
from convnets.data.images.layout import arrange_pictures
from convnets.data.images.names import is_picture, printable
from convnets.data.images.zip_archive import ZipPictures
from convnets.data.sources import load_data
from convnets.errors import DataError, UnknownNameError
from convnets.retrieval.entries import LABEL, Entries, Value

__all__ = ["Images", "Listing", "list_images"]

Images = ImageSet | Splits | Picture | Sequence[Picture]
"""What can be indexed: images with labels, a data set's name, a folder or zip of pictures, or a list of pictures."""


@dataclass(frozen=True)
class Listing:
    """Images from one place, in the order in which they are indexed."""

    images: Tensor | PictureFiles
    """uint8 N×C×H×W, or files."""
    entries: Entries
    source: str
    """Where they came from, for people."""
    fingerprint: str
    """Changes when the images do: hash of their content, or of names, sizes and times of files in a folder."""

    def __len__(self) -> int:
        return len(self.entries)


def list_images(images: Images, part: str | None = None) -> Listing:
    """Images with their paths, class and part, and what says that they are still the same.

    A folder or zip need not hold classes: pictures of any arrangement are listed, and have a class where the
    arrangement names one. part: `train`, `validation` or `test` of a data set; None for all of it. Raises
    UnknownNameError for a part that is not there, DataError for data that cannot be used.

    >>> listing = list_images("digits", part="test")
    >>> listing.entries.paths[0], listing.entries.row(0)
    ('digits/test/0', {'class': '1', 'part': 'test'})
    """
    if isinstance(images, Path | str):
        path = file_of(images)
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            return _list_pictures(path, part)
        if path.is_file() and is_picture(path.name):
            return _list_given(path)
        images = load_data(images)
    if isinstance(images, Splits):
        return _list_splits(images, part)
    if isinstance(images, ImageSet):
        return _list_set(images, images.source, {})
    return _list_given(images)


def _list_pictures(path: Path, part: str | None) -> Listing:
    pictures = FolderPictures.scan(path) if path.is_dir() else ZipPictures.scan(path)
    if not len(pictures):
        raise DataError(f"{path}: no pictures; give a folder or zip with some in it")
    classes: list[Value] = [None] * len(pictures)
    parts: list[Value] = [None] * len(pictures)
    try:
        layout = arrange_pictures([tuple(each.split("/")) for each in pictures.paths], [], str(path))
        for name, (places, labels) in layout.parts.items():
            for place, label in zip(places, labels, strict=True):
                classes[place], parts[place] = layout.classes[label], name
        split = len(layout.parts) > 1
    except DataError:  # no classes can be read off the folders: pictures are found all the same
        split = False
    columns = {name: values for name, values in ((LABEL, classes), ("part", parts)) if any(values)}
    if not split:
        columns.pop("part", None)
    root = str(path.absolute())
    entries = Entries([f"{root}/{each}" for each in pictures.paths], columns)
    listing = Listing(pictures, entries, printable(str(path)), _fingerprint(pictures))
    return listing if part is None else _only(listing, part)


def _only(listing: Listing, part: str) -> Listing:
    values = listing.entries.columns.get("part", [])
    rows = [row for row, value in enumerate(values) if value == part]
    if not rows:
        known = sorted({str(value) for value in values}) or ["none: it is not split"]
        raise UnknownNameError(f"part of {listing.source}", part, known)
    images = listing.images[rows] if isinstance(listing.images, Tensor) else listing.images.subset(rows)
    return Listing(images, listing.entries.select(rows), listing.source, f"{listing.fingerprint}/{part}")


def _list_splits(splits: Splits, part: str | None) -> Listing:
    parts = splits.parts()
    if part is not None:
        if part not in parts:
            raise UnknownNameError(f"part of {splits.source}", part, parts)
        parts = {part: parts[part]}
    listings = [
        _list_set(images, f"{splits.source}/{name}", {"part": name}) for name, images in parts.items()
    ]
    first, *others = listings
    if not others:
        return first
    tensors = [each.images for each in listings if isinstance(each.images, Tensor)]
    if len(tensors) < len(listings) or len({each.shape[1:] for each in tensors}) > 1:
        raise DataError(
            f"{splits.source}: parts of different kinds; index one after the other, each with its part"
        )
    entries = first.entries
    for each in others:
        entries.extend(each.entries)
    return Listing(
        torch.cat(tensors), entries, splits.source, "/".join(each.fingerprint for each in listings)
    )


def _list_set(images: ImageSet, prefix: str, columns: dict[str, Value]) -> Listing:
    named = isinstance(images.images, Tensor)
    names: Sequence[Any] = range(len(images)) if isinstance(images.images, Tensor) else images.images.names
    labels: list[Value] = [images.classes[label] for label in images.labels.tolist()]
    values = {name: [value] * len(images) for name, value in columns.items()}
    entries = Entries([f"{prefix}/{name}" for name in names], {LABEL: labels, **values})
    return Listing(
        images.images, entries, prefix, images.content_hash() if named else _fingerprint(images.images)
    )


def _list_given(pictures: Picture | Sequence[Picture]) -> Listing:
    given = _Given(expand_folders(pictures))
    if not len(given):
        raise DataError("no pictures are given; at least one is needed")
    return Listing(given, Entries(given.names), "given pictures", given.content_hash())


class _Given:
    """Pictures of a list as if they were files."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = list(pictures)

    @property
    def names(self) -> Sequence[str]:
        return [name_of(each, place) for place, each in enumerate(self.pictures)]

    def __len__(self) -> int:
        return len(self.pictures)

    def open(self, index: int) -> Any:
        return open_given(self.pictures[index], name_of(self.pictures[index], index))

    def subset(self, indices: Sequence[int]) -> _Given:
        return _Given([self.pictures[index] for index in indices])

    def content_hash(self) -> str:
        return hashlib.sha256("\0".join(self.names).encode("utf-8", "surrogateescape")).hexdigest()


def _fingerprint(images: Any) -> str:
    """Of a folder: names, sizes and times, so that a million files need not be read to be recognized."""
    if not isinstance(images, FolderPictures):
        return str(images.content_hash())
    digest = hashlib.sha256()
    for path in images.paths:
        try:
            found = (images.root / path).stat()
            digest.update(os.fsencode(path) + b"\0%d %d\0" % (found.st_size, found.st_mtime_ns))
        except OSError:
            digest.update(os.fsencode(path) + b"\0gone\0")
    return digest.hexdigest()
