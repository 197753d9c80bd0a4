"""Given arrays: images and labels in whatever a caller holds them in, as the tensors of an ImageSet.

N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convnets.errors import InputError

__all__ = ["as_class_names", "as_labels", "as_pixels"]

_COLORS = (1, 3)


def as_pixels(images: Any) -> Tensor:
    """uint8 N×C×H×W from a tensor, an array, or a list of equally large arrays or PIL pictures.

    Without an axis of channels (N×H×W) the images are gray. Of arrays that are not tensors, N×H×W×C is understood as
    well. Whole numbers of any type are taken where they are 0 to 255. Raises InputError for any other type or shape,
    and where the axis of channels could be either of two.

    >>> as_pixels(np.zeros((2, 8, 9, 3), dtype=np.uint8)).shape, as_pixels([[[0, 255], [1, 2]]]).shape
    (torch.Size([2, 3, 8, 9]), torch.Size([1, 1, 2, 2]))
    """
    pixels = images if isinstance(images, Tensor) else _channels_first(_stacked(images))
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    _check_shape(tuple(pixels.shape))
    if pixels.dtype == torch.uint8:
        return pixels
    whole = not pixels.is_floating_point() and not pixels.is_complex() and pixels.dtype != torch.bool
    low, high = (int(pixels.min()), int(pixels.max())) if whole and pixels.numel() else (0, 0)
    if whole and low >= 0 and high <= 255:
        return pixels.to(torch.uint8)
    found = f"{pixels.dtype} from {low} to {high}" if whole else str(pixels.dtype)
    raise InputError(
        f"images are {found}; allowed: uint8 from 0 to 255, such as (x * 255).round().to(torch.uint8) "
        "of numbers from 0 to 1"
    )


def as_labels(labels: Any, classes: Sequence[str] = ()) -> Tensor:
    """int64 N from whole numbers of any type, N or N×1, or from class names.

    >>> as_labels(np.array([1, 0], dtype=np.uint8)), as_labels(["b", "a"], ("a", "b"))
    (tensor([1, 0]), tensor([1, 0]))
    """
    if isinstance(labels, Tensor):
        given = labels
    else:
        array = np.asarray(labels)
        if array.dtype.kind in "US" or (
            array.dtype == object and all(isinstance(each, str) for each in array.flat)
        ):
            return _by_name([str(each) for each in array.flat], classes)
        if array.dtype.kind not in "biuf":
            raise InputError(f"labels are of type {array.dtype}; allowed: whole numbers, one for each image")
        given = torch.from_numpy(array.astype(np.int64) if array.dtype.kind in "iu" else array.copy())
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        hint = "; shares of classes become labels by argmax(1)" if given.ndim == 2 else ""
        raise InputError(f"labels have shape {tuple(given.shape)}; allowed: one number for each image{hint}")
    if given.is_floating_point() or given.is_complex():
        raise InputError(f"labels are {given.dtype}; allowed: whole numbers, such as labels.long()")
    return given.detach().to(torch.int64)


def as_class_names(classes: Any) -> tuple[str, ...]:
    """Class names as a tuple; raises InputError for a name that comes twice, or something that is no name.

    >>> as_class_names(["cat", "dog"])
    ('cat', 'dog')
    """
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
        raise InputError(f"classes are {classes!r:.80}; allowed: a list of names, such as ['cat', 'dog']")
    names = tuple(classes)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(f"class {twice!r} is named twice; each class needs a name of its own")
    return names


def _by_name(names: Sequence[str], classes: Sequence[str]) -> Tensor:
    place = {name: index for index, name in enumerate(classes)}
    unknown = next((name for name in names if name not in place), None)
    if unknown is not None:
        shown = ", ".join(map(repr, list(classes)[:10]))
        raise InputError(f"label {unknown!r} is not among the classes; allowed: {shown}, or their indices")
    return torch.tensor([place[name] for name in names], dtype=torch.int64)


def _stacked(images: Any) -> np.ndarray[Any, Any]:
    if isinstance(images, np.ndarray) and images.dtype != object:
        return images
    if isinstance(images, str | bytes) or not hasattr(images, "__len__"):
        raise InputError(
            f"images are a {type(images).__name__}; allowed: a tensor, an array or a list of arrays; "
            "pictures in files are read by load_data(folder)"
        )
    each = [np.asarray(image) for image in images]
    shapes = sorted({array.shape for array in each})
    if len(shapes) > 1:
        raise InputError(
            f"images have different sizes, such as {shapes[0]} and {shapes[1]}; bring them to one size, "
            "or keep them as files in a folder and use load_data(folder)"
        )
    if isinstance(next(iter(images), None), Image.Image) and len({image.mode for image in images}) > 1:
        raise InputError("pictures have different modes; bring them to one, such as picture.convert('RGB')")
    return np.stack(each) if each else np.empty((0, 1, 1, 1), dtype=np.uint8)


def _channels_first(array: np.ndarray[Any, Any]) -> Tensor:
    """The array as a tensor, N×C×H×W where it is N×H×W×C; colors are the axis of 1 or 3."""
    if array.ndim == 4:
        first, last = array.shape[1] in _COLORS, array.shape[3] in (*_COLORS, 4)
        if first and last:
            raise InputError(
                f"images have shape {array.shape}, which could be N×C×H×W or N×H×W×C; give a tensor "
                "N×C×H×W, such as torch.from_numpy(images).permute(0, 3, 1, 2)"
            )
        if last and array.shape[3] == 4:
            raise InputError(
                f"images have shape {array.shape}: four channels; allowed: 1 or 3, such as images[..., :3]"
            )
        array = array.transpose(0, 3, 1, 2) if last else array
    if array.dtype.kind not in "biuf":
        raise InputError(f"images are of type {array.dtype}; allowed: uint8 from 0 to 255")
    wide = array.dtype.kind == "u" and array.dtype.itemsize > 1  # PyTorch knows few operations of these
    return torch.from_numpy(np.array(array, dtype=np.int64 if wide else array.dtype, order="C"))


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) == 4 and shape[3] in (1, 3, 4) and shape[1] not in _COLORS:
        raise InputError(
            f"images have shape {shape}, which looks like N×H×W×C; use images.permute(0, 3, 1, 2)"
        )
    if len(shape) != 4 or shape[1] not in _COLORS:
        raise InputError(f"images have shape {shape}; allowed: N×H×W, or N×C×H×W with C = 1 or 3")
