"""Given pictures: whatever a caller may hold a picture as, turned into an upright PIL picture, gray or RGB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from convnets.data.images.modes import to_gray_or_rgb
from convnets.data.images.names import is_clutter, is_picture, printable
from convnets.data.images.opening import open_picture
from convnets.data.images.pillow_warnings import quiet_pillow
from convnets.errors import DataError, ImageDecodeError, InputError

__all__ = ["Picture", "expand_folders", "file_of", "name_of", "open_given"]

Picture: TypeAlias = Path | str | bytes | BinaryIO | Image.Image | Tensor | np.ndarray[Any, Any]
"""A file (`~` and `file://` are understood), its content, an open file, a PIL picture of any mode, a tensor H×W or
C×H×W, or an array H×W or H×W×C; numbers are uint8, or floats in [0, 1]."""


def expand_folders(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    """The pictures as a list, with each folder replaced by the pictures in it and below, in the order of their names.

    One picture is a list of one; a tensor N×C×H×W and an array N×H×W×C are N pictures. Raises DataError for a folder
    without pictures.

    >>> len(expand_folders(torch.zeros(3, 8, 8))), len(expand_folders(torch.zeros(2, 3, 8, 8)))
    (1, 2)
    """
    if _is_one(pictures):
        pictures = [cast(Picture, pictures)]
    found: list[Picture] = []
    for picture in cast("Iterable[Picture]", pictures):
        path = file_of(picture) if isinstance(picture, str | Path) else None
        if path is not None and path.is_dir():
            found.extend(_pictures_below(path))
        else:
            found.append(picture)
    return found


def _is_one(pictures: object) -> bool:
    if isinstance(pictures, Tensor | np.ndarray) and pictures.dtype != object:
        return pictures.ndim != 4
    files = isinstance(pictures, str | bytes | bytearray | memoryview | os.PathLike) or hasattr(
        pictures, "read"
    )
    return files or isinstance(pictures, Image.Image)


def file_of(name: Path | str) -> Path:
    """The file that a path, one that begins with `~`, or a `file://` address means.

    >>> file_of("file:///data/a%20cat.png").as_posix()
    '/data/a cat.png'
    """
    if isinstance(name, str) and name.startswith("file://"):
        address = urlsplit(name)
        if address.netloc not in ("", "localhost"):
            raise InputError(f"{printable(name)} is on host {address.netloc}; allowed: files of this machine")
        return Path(url2pathname(address.path))
    try:
        return Path(name).expanduser()
    except RuntimeError:  # of a user that is not known: taken literally
        return Path(name)


def _pictures_below(folder: Path) -> Iterable[Path]:
    paths = sorted(_walk(folder))
    if not paths:
        raise DataError(
            f"{printable(str(folder))} holds no pictures; give pictures, or a folder with some in it"
        )
    return paths


def _walk(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(
        folder
    ):  # does not follow links to folders: those may lead in a circle
        folders[:] = [name for name in folders if not is_clutter(name)]
        yield from (Path(path, name) for name in names if is_picture(name) and not is_clutter(name))


def name_of(picture: Picture, index: int) -> str:
    """A file's path, or `picture 3` for one without a name; any terminal and any JSON takes it.

    >>> name_of(Path("a.png"), 0), name_of(torch.zeros(8, 8), 3)
    ('a.png', 'picture 3')
    """
    filename: object = picture
    if isinstance(picture, Image.Image):
        filename = getattr(picture, "filename", "")
    elif hasattr(picture, "read"):
        filename = getattr(picture, "name", "")
    return (
        printable(str(filename))
        if isinstance(filename, (str, Path)) and str(filename)
        else f"picture {index}"
    )


def open_given(picture: Picture, name: str) -> Image.Image:
    """The picture upright in mode L or RGB.

    Raises ImageDecodeError for a file or PIL picture that cannot be decoded, and InputError for a tensor of
    another shape, type or range, or a value that is no picture at all.
    """
    if isinstance(picture, str | Path):
        return open_picture(file_of(picture), name)
    if isinstance(picture, bytes | bytearray | memoryview):
        return open_picture(bytes(picture), name)
    if isinstance(picture, np.ndarray):
        return _from_array(picture, name)
    if hasattr(picture, "read"):
        return open_picture(_content(cast(BinaryIO, picture), name), name)
    if isinstance(picture, Image.Image):
        return _from_pillow(picture, name)
    if isinstance(picture, Tensor):
        return _from_tensor(picture, name)
    raise InputError(
        f"{name} is a {type(picture).__name__}; allowed: a path, an open file or its bytes, a PIL picture, a tensor "
        "C×H×W or an array H×W×C"
    )


def _content(file: BinaryIO, name: str) -> bytes:
    """All of an open file, from its beginning: who wrote into it left it at its end."""
    if getattr(file, "seekable", lambda: False)():
        file.seek(0)
    content = file.read()
    if isinstance(content, bytes):
        return content
    raise InputError(f"{name} is open as text; open it with mode 'rb'")


def _from_array(array: np.ndarray[Any, Any], name: str) -> Image.Image:
    """H×W or H×W×C, as Pillow, OpenCV and matplotlib have them; C×H×W where it can be nothing else."""
    if array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        raise InputError(f"{name} is {array.dtype}; allowed: uint8 from 0 to 255, or float from 0 to 1")
    shape = array.shape
    if array.ndim == 3 and shape[2] in (1, 3, 4):
        if shape[2] == 4:  # red, green, blue and alpha
            pixels = _bytes(torch.from_numpy(np.ascontiguousarray(array)), name)
            return _from_pillow(Image.fromarray(pixels.numpy(), "RGBA"), name)
        array = array.transpose(2, 0, 1)
    elif array.ndim != 2 and not (array.ndim == 3 and shape[0] in (1, 3)):
        raise InputError(f"{name} has shape {shape}; allowed: an array H×W or H×W×C with C = 1, 3 or 4")
    return _from_tensor(torch.from_numpy(np.ascontiguousarray(array)), name)


def _from_pillow(picture: Image.Image, name: str) -> Image.Image:
    try:
        with quiet_pillow():
            picture.load()
            return to_gray_or_rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # noqa: BLE001  Pillow's readers raise almost anything on damaged files
        raise ImageDecodeError(f"{name}: damaged picture ({error}); replace or remove it") from None


def _from_tensor(picture: Tensor, name: str) -> Image.Image:
    shape = tuple(picture.shape)
    if picture.ndim == 2:
        picture = picture[None]
    if picture.ndim != 3 or picture.shape[0] not in (1, 3) or 0 in shape:
        hint = (
            "; it looks like H×W×C, use picture.permute(2, 0, 1)" if shape[2:] in ((1,), (3,), (4,)) else ""
        )
        raise InputError(f"{name} has shape {shape}; allowed: H×W or C×H×W with C = 1 or 3{hint}")
    pixels = _bytes(picture.detach().cpu(), name).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _bytes(picture: Tensor, name: str) -> Tensor:
    if picture.dtype == torch.uint8:
        return picture
    if not picture.is_floating_point():
        raise InputError(f"{name} is {picture.dtype}; allowed: uint8 from 0 to 255, or float from 0 to 1")
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):  # also when one of them is NaN
        raise InputError(
            f"{name} has values from {low:g} to {high:g}; allowed: 0 to 1 before normalization, or uint8"
        )
    return (picture.float() * 255).round().to(torch.uint8)
