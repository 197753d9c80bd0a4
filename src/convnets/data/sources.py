"""Sources: from a data set's name, or the path of a folder or zip of pictures, to ImageSets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from convnets.core.progress import Progress
from convnets.data.catalogue import DataEntry, data_entry, list_data
from convnets.data.data_root import data_root
from convnets.data.downloads.published_file import PublishedFile
from convnets.data.formats.cifar_binary import read_cifar10_archive
from convnets.data.formats.digits import read_digits
from convnets.data.formats.idx import read_idx
from convnets.data.image_set import ImageSet, Splits
from convnets.data.images.folder import FolderPictures
from convnets.data.images.layout import arrange_pictures
from convnets.data.images.names import passed_over, printable
from convnets.data.images.zip_archive import ZipPictures
from convnets.data.shards.dataset import load_shards, shards_in
from convnets.data.shards.paths import is_shard_pattern
from convnets.errors import DataError, DownloadError, UnknownNameError

__all__ = ["data_root", "download_data", "list_data", "load_data"]


def load_data(
    name_or_path: str | Path,
    *,
    root: Path | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Splits:
    """A data set by its name (`list_data()`), a folder or zip of pictures by its path, or tar shards by a pattern.

    Named sets come into memory, uint8; their files are taken from `root`/NAME (default `data_root()`), or
    downloaded to it when they are not there and `download` allows it, and verified on every read. Pictures of a
    folder or zip stay files until `decode_images`; the layouts are `root/{train,val,test}/CLASS/*` (`val` and
    `test` may be missing) and `root/CLASS/*`, with or without one folder around them. A name wins over a folder
    called the same: write `./NAME` for that one.
    What ends in `.tar` or is a URL means shards: see `load_shards`. `progress` is called with (file, bytes done,
    bytes in all).

    Raises UnknownNameError for what is neither a name nor a path, DataError for files that cannot be used,
    DownloadError when no mirror delivers.

    >>> load_data("digits").train
    ImageSet(digits: 1,437 images, 1 × 8 × 8, 10 classes)
    """
    if is_shard_pattern(str(name_or_path)):
        return load_shards(str(name_or_path), progress=progress)
    entry = _named(name_or_path)
    if entry is None:
        return _load_pictures(Path(name_or_path), progress)
    if not entry.files:
        return _load_digits(entry)
    contents = _contents(entry, root, download, progress)
    return _read_cifar10(entry, contents) if entry.name == "cifar10" else _read_idx_splits(entry, contents)


def download_data(name: str, *, root: Path | None = None, progress: Progress | None = None) -> Path:
    """Make sure that the files of a named data set are in `root`/NAME, whole and verified; return that folder.

    Raises UnknownNameError, DataError for a wrong file that is there already, or DownloadError.
    """
    entry = data_entry(name)
    _contents(entry, root, True, progress)
    return (root or data_root()) / entry.name


def _named(name_or_path: str | Path) -> DataEntry | None:
    """The entry of that name; None for a path that exists; otherwise UnknownNameError."""
    name = str(name_or_path)
    known = [entry.name for entry in list_data()]
    if name in known:
        return data_entry(name)
    try:
        if name and Path(name).expanduser().exists():
            return None
    except (OSError, ValueError, RuntimeError):  # too long, NUL inside, unknown user: no such path
        pass
    raise UnknownNameError(
        "data set", printable(name), known, "or give the path of a folder or zip of pictures that exists"
    )


def _contents(entry: DataEntry, root: Path | None, download: bool, progress: Progress | None) -> list[bytes]:
    folder = (root or data_root()) / entry.name
    return [_content(file, folder, download, progress) for file in entry.files]


def _content(file: PublishedFile, folder: Path, download: bool, progress: Progress | None) -> bytes:
    path = file.local_path(folder)
    if path is not None:
        try:
            return file.read(path)
        except DataError as error:
            raise DataError(f"{error}; delete the file to have it downloaded again") from None
    if not download:
        raise DownloadError(
            f"{folder / file.name} is not there and downloads are off; put it there or allow them"
        )
    # loads requests, which reading what is there does without
    from convnets.data.downloads.download import download_file

    return file.read(download_file(file, folder / file.name, progress=progress))


def _read_idx_splits(entry: DataEntry, contents: list[bytes]) -> Splits:
    names = [file.unpacked_name for file in entry.files]
    tensors = [
        read_idx(content, name, 3 if "idx3" in name else 1)
        for content, name in zip(contents, names, strict=True)
    ]
    train_images, train_labels, test_images, test_labels = tensors
    train = _image_set(entry, train_images[:, None], train_labels.long())
    return Splits(train=train, test=_image_set(entry, test_images[:, None], test_labels.long()))


def _read_cifar10(entry: DataEntry, contents: list[bytes]) -> Splits:
    train, test = read_cifar10_archive(contents[0], entry.files[0].name)
    return Splits(train=_image_set(entry, *train), test=_image_set(entry, *test))


def _load_digits(entry: DataEntry) -> Splits:
    train, test = read_digits(entry.test_images)
    return Splits(train=_image_set(entry, *train), test=_image_set(entry, *test))


def _image_set(entry: DataEntry, images: Tensor, labels: Tensor) -> ImageSet:
    return ImageSet(images, labels, entry.classes, entry.name)


def _load_pictures(path: Path, progress: Progress | None) -> Splits:
    path = path.expanduser()
    source = printable(str(path))
    pictures: FolderPictures | ZipPictures
    if path.is_dir():
        pictures = FolderPictures.scan(path)
        shards = [] if len(pictures) else shards_in(path)
        if shards:
            return load_shards(shards, progress=progress)
    elif zipfile.is_zipfile(path):
        pictures = ZipPictures.scan(path)
    else:
        raise DataError(
            f"{source}: neither a folder nor a zip archive; allowed: a folder or zip of pictures, or .tar shards"
        )
    layout = arrange_pictures(
        [tuple(p.split("/")) for p in pictures.paths],
        [tuple(p.split("/")) for p in pictures.empty_folders],
        source,
    )
    parts = {
        part: ImageSet(pictures.subset(indices), torch.tensor(labels), layout.classes, source)
        for part, (indices, labels) in layout.parts.items()
    }
    notes = passed_over(pictures.ignored, pictures.clutter)
    return Splits(parts["train"], parts.get("validation"), parts.get("test"), notes)
