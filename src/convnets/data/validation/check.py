"""Check a data set before it is trained on: every picture is read, and what would spoil a result is listed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from torch import Tensor

from convnets.core.hardware import usable_cores
from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.data.images.folder import FolderPictures
from convnets.data.images.layout import arrange_pictures, likely_place
from convnets.data.images.names import passed_over, printable
from convnets.data.images.pillow_warnings import quiet_pillow
from convnets.data.images.zip_archive import ZipPictures
from convnets.data.shards.dataset import load_shards, shards_in
from convnets.data.shards.images import ShardPictures
from convnets.data.shards.paths import is_shard_pattern
from convnets.data.sources import list_data, load_data
from convnets.data.validation.image_facts import PictureFacts, facts_of_file, facts_of_pixels
from convnets.data.validation.report import DataCheck, Places, finalize
from convnets.errors import ConfigError, DataError, ImageDecodeError

__all__ = ["DataCheck", "check_data"]

_CHUNK = 32


class _Pictures(Protocol):
    """Pictures whose files can be read as they are."""

    @property
    def names(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes: ...


def check_data(data: str | Path, *, threads: int = 0, progress: Progress | None = None) -> DataCheck:
    """Read every picture of a folder, zip or tar shards, or of a data set with a name, and list what is wrong.

    Looked for: files that cannot be decoded, pictures in more than one split (the score would be of memory) or
    class (no answer would be right), a layout that training would refuse; and counted: classes, sizes, formats,
    gray and color. `threads=0` takes the cores that this process may use. `progress` is called with (what,
    pictures done, pictures in all). Raises UsageError or DataError where there is nothing that could be read.

    >>> check_data("digits").problems
    []
    """
    if threads < 0:
        raise ConfigError(f"threads is {threads}; allowed: 0 or more")
    threads = threads or usable_cores()
    if is_shard_pattern(str(data)):
        return _check_shards(load_shards(str(data), progress=progress), threads, progress)
    if str(data) in {entry.name for entry in list_data()} or not Path(data).expanduser().exists():
        return _check_named(str(data), progress)
    pictures, check = _found(Path(data).expanduser())
    if not len(pictures):
        shards = shards_in(Path(data).expanduser())
        if shards:
            return _check_shards(load_shards(shards, progress=progress), threads, progress)
        raise DataError(
            f"{check.source}: no pictures; give a folder or zip with JPEG, PNG, GIF, BMP, TIFF, WebP or PPM in it"
        )
    places = _places(pictures, check)
    facts = list(_all_facts(pictures, threads, progress))
    return finalize(check, places, facts)


def _found(path: Path) -> tuple[FolderPictures | ZipPictures, DataCheck]:
    check = DataCheck(printable(str(path)))
    if path.is_dir():
        pictures: FolderPictures | ZipPictures = FolderPictures.scan(path)
    elif zipfile.is_zipfile(path):
        pictures = ZipPictures.scan(path)
    else:
        raise DataError(
            f"{check.source}: neither a folder nor a zip archive; allowed: a folder or zip of pictures"
        )
    check.ignored = pictures.ignored
    check.notes += passed_over(pictures.ignored, pictures.clutter)
    return pictures, check


def _places(pictures: FolderPictures | ZipPictures, check: DataCheck) -> Places:
    """Splits and classes as training would take them; by their folders where training would refuse them."""
    paths = [tuple(path.split("/")) for path in pictures.paths]
    empty = [tuple(path.split("/")) for path in pictures.empty_folders]
    parts, classes = [""] * len(paths), [""] * len(paths)
    try:
        layout = arrange_pictures(paths, empty, check.source)
    except DataError as error:
        check.problems.append(str(error).removeprefix(f"{check.source}: "))
        for index, path in enumerate(paths):
            parts[index], classes[index] = likely_place(path)
    else:
        for part, (indices, labels) in layout.parts.items():
            for index, label in zip(indices, labels, strict=True):
                parts[index], classes[index] = part, layout.classes[label]
    return Places(pictures.names, parts, classes)


def _all_facts(pictures: _Pictures, threads: int, progress: Progress | None) -> Iterator[PictureFacts]:
    """In order; decoding and hashing happen outside Python's lock, so threads share the cores."""
    names, count = pictures.names, len(pictures)

    def facts(indices: range) -> list[PictureFacts]:
        return [_facts(pictures, index, names[index]) for index in indices]

    waiting: list[Future[list[PictureFacts]]] = []
    done = 0
    with quiet_pillow(), ThreadPoolExecutor(threads, thread_name_prefix="check") as pool:
        try:
            for start in range(0, count, _CHUNK):
                waiting.append(pool.submit(facts, range(start, min(start + _CHUNK, count))))
                while waiting and (len(waiting) >= 4 * threads or start + _CHUNK >= count):
                    found = waiting.pop(0).result()
                    yield from found
                    done += len(found)
                    if progress is not None:
                        progress("checking pictures", done, count)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _facts(pictures: _Pictures, index: int, name: str) -> PictureFacts:
    try:
        return facts_of_file(pictures.read(index), name)
    except ImageDecodeError as error:
        return PictureFacts(b"", error=str(error))


def _check_shards(splits: Splits, threads: int, progress: Progress | None) -> DataCheck:
    check, facts = DataCheck(splits.source), list[PictureFacts]()
    names, parts, classes = list[str](), list[str](), list[str]()
    for part, images in splits.parts().items():
        assert isinstance(images.images, ShardPictures)
        facts += _all_facts(images.images, threads, progress)
        names += images.images.names
        parts += [part] * len(images)
        classes += [images.classes[label] for label in images.labels.tolist()]
    return finalize(check, Places(names, parts, classes), facts)


def _check_named(name: str, progress: Progress | None) -> DataCheck:
    """A data set in memory: its files are verified as they are read, so pixels are all there is to look at."""
    splits = load_data(name, progress=progress)
    check, facts = DataCheck(splits.source), []
    names, parts, classes = [], [], []
    for part, images in splits.parts().items():
        facts += _facts_in_memory(images)
        names += [f"{part} {index}" for index in range(len(images))]
        parts += [part] * len(images)
        classes += [images.classes[label] for label in images.labels.tolist()]
    return finalize(check, Places(names, parts, classes), facts)


def _facts_in_memory(images: ImageSet) -> list[PictureFacts]:
    pixels: Tensor = images.pixels
    shown = pixels[:, 0] if pixels.shape[1] == 1 else pixels.permute(0, 2, 3, 1)
    return [facts_of_pixels(picture) for picture in shown.numpy()]
