"""Given pictures: whatever a caller may hold a picture as, turned into an upright PIL picture, grey or RGB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from PIL import Image, ImageOps
from torch import Tensor

from convnets.data.picture_modes import to_grey_or_rgb
from convnets.data.picture_names import is_clutter, is_picture, printable
from convnets.data.pictures import open_picture
from convnets.data.pillow_warnings import quiet_pillow
from convnets.errors import DataError, ImageDecodeError, InputError

__all__ = ["Picture", "expand_folders", "name_of", "open_given"]

Picture: TypeAlias = Path | str | bytes | Image.Image | Tensor
"""A file, a file's content, a PIL picture of any mode, or a tensor H×W or C×H×W: uint8, or float in [0, 1]."""


def expand_folders(pictures: Sequence[Picture] | Tensor) -> list[Picture]:
    """The pictures as a list, with each folder replaced by the pictures in it and below, in the order of their names.

    Raises DataError for a folder without pictures, and InputError for one picture that is not in a list.
    """
    if isinstance(pictures, (str, bytes, os.PathLike, Image.Image)) or (
        isinstance(pictures, Tensor) and pictures.ndim != 4
    ):
        raise InputError(
            f"pictures is one {type(pictures).__name__}; allowed: a list of pictures, such as [picture]"
        )
    found: list[Picture] = []
    for picture in pictures:
        if isinstance(picture, (str, Path)) and Path(picture).is_dir():
            found.extend(_pictures_below(Path(picture)))
        else:
            found.append(picture)
    return found


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
    filename = getattr(picture, "filename", "") if isinstance(picture, Image.Image) else picture
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
    if isinstance(picture, (str, Path)):
        return open_picture(Path(picture), name)
    if isinstance(picture, bytes):
        return open_picture(picture, name)
    if isinstance(picture, Image.Image):
        return _from_pillow(picture, name)
    if isinstance(picture, Tensor):
        return _from_tensor(picture, name)
    raise InputError(
        f"{name} is a {type(picture).__name__}; allowed: a path, bytes of a file, a PIL picture or a tensor, "
        "such as PIL.Image.fromarray(array)"
    )


def _from_pillow(picture: Image.Image, name: str) -> Image.Image:
    try:
        with quiet_pillow():
            picture.load()
            return to_grey_or_rgb(ImageOps.exif_transpose(picture))
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
            f"{name} has values from {low:g} to {high:g}; allowed: 0 to 1 before normalisation, or uint8"
        )
    return (picture.float() * 255).round().to(torch.uint8)
