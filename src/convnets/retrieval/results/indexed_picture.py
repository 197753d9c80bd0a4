"""Indexed pictures: the picture behind a hit's path, from the file, zip or data set where it was indexed."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from convnets.data.image_set import ImageSet
from convnets.data.images.image_inputs import open_given
from convnets.data.images.names import printable
from convnets.data.images.opening import open_picture
from convnets.data.images.zip_archive import ZipPictures
from convnets.data.sources import list_data, load_data
from convnets.errors import ConvnetsError, DataError
from convnets.retrieval.building.listing import Listing

__all__ = ["IndexedPictures"]


class IndexedPictures:
    """Opens pictures by the paths of hits; archives and data sets are opened once.

    listings: images of this process, which are looked through first.

    >>> IndexedPictures().open("digits/test/5").size
    (8, 8)
    """

    def __init__(self, listings: Sequence[Listing] = ()) -> None:
        self._listings = listings
        self._archives: dict[Path, dict[str, int]] = {}
        self._zips: dict[Path, ZipPictures] = {}
        self._sets: dict[str, dict[str, ImageSet]] = {}

    def open(self, path: str) -> Image.Image:
        """The picture, upright, gray or RGB; raises DataError when it is no longer where it was indexed."""
        for listing in self._listings:
            place = listing.entries.place(path)
            if place is not None:
                images = listing.images
                found = images[place] if isinstance(images, Tensor) else images.open(place)
                return open_given(found, path)
        if _is_file(Path(path)):
            return open_picture(Path(path), printable(path))
        found = self._from_zip(path) or self._from_data_set(path)
        if found is None:
            raise DataError(
                f"{printable(path)} is not there; give a picture's file, or a path as searches show it"
            )
        return found

    def try_open(self, path: str) -> Image.Image | None:
        """The picture; None when it cannot be had any more."""
        try:
            return self.open(path)
        except ConvnetsError:
            return None

    def _from_zip(self, path: str) -> Image.Image | None:
        archive = next((each for each in Path(path).parents if _is_file(each)), None)
        if archive is None or not zipfile.is_zipfile(archive):
            return None
        if archive not in self._zips:
            pictures = ZipPictures.scan(archive)
            self._zips[archive] = pictures
            self._archives[archive] = {name: place for place, name in enumerate(pictures.paths)}
        place = self._archives[archive].get(path.removeprefix(f"{archive}/"))
        if place is None:
            return None
        found: Image.Image = self._zips[archive].open(place)
        return found

    def _from_data_set(self, path: str) -> Image.Image | None:
        name, _, rest = path.partition("/")
        part, _, number = rest.partition("/")
        if not number.isdecimal() or name not in {entry.name for entry in list_data()}:
            return None
        if name not in self._sets:
            self._sets[name] = load_data(name, download=False).parts()
        images = self._sets[name].get(part)
        if images is None or int(number) >= len(images):
            return None
        return open_given(images.pixels[int(number)], path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or NUL inside: no such file
        return False
