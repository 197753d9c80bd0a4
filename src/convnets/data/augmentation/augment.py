"""Augmentations: changes that keep an image's class. What they are, and by which names options ask for them.

They run on whole batches, on the batch's device, between [0, 1] and normalization:
floating-point N×C×H×W in [0, 1] → the same. N images, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from convnets.data.augmentation.color import Brightness, ColorJitter, Contrast, Hue, Saturation
from convnets.data.augmentation.erasing import RandomErasing
from convnets.data.augmentation.geometry import (
    HorizontalFlip,
    RandomCrop,
    RandomResizedCrop,
    RandomRotation,
    VerticalFlip,
)
from convnets.data.augmentation.random_params import check_float_images
from convnets.errors import ConfigError, InputError, UnknownNameError

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Brightness",
    "ColorJitter",
    "Contrast",
    "HorizontalFlip",
    "Hue",
    "NamedAugmentation",
    "PerBatch",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "RandomRotation",
    "Saturation",
    "VerticalFlip",
    "augment_images",
    "parse_augmentations",
]


class Augmentation(Protocol):
    """Changes a batch of images at random, each image by its own draw; any callable of this shape is one.

    A pure function of the images and the generator's state that leaves its input as it was.
    """

    def __call__(self, images: Tensor, generator: torch.Generator, /) -> Tensor:
        """Float N×C×H×W in [0, 1] on any device → the same; every random number comes from `generator`."""
        ...


@dataclass(frozen=True)
class PerBatch:
    """Makes an augmentation of any callable images → images, such as another library's transform.

    PyTorch's global random numbers are seeded from the generator while the callable runs, and put back after:
    what it draws from them can be repeated. It gets a copy, so it may work in place.

    >>> PerBatch(torch.flipud)
    PerBatch(flipud)
    >>> PerBatch(lambda images: 1 - images)(torch.zeros(1, 1, 1, 2), torch.Generator())
    tensor([[[[1., 1.]]]])
    """

    function: Callable[[Tensor], Tensor]
    """Float N×C×H×W → float N×C×H'×W'; InputError when it returns anything else."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → what the callable makes of them."""
        check_float_images(images, repr(self))
        seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
        cuda = [images.device] if images.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.default_generator.manual_seed(seed)
            if cuda:
                torch.cuda.manual_seed(seed)
            changed = self.function(images.clone())
        return check_augmented(images, changed, self)

    def __repr__(self) -> str:
        return f"PerBatch({getattr(self.function, '__name__', repr(self.function))})"


def augment_images(images: Tensor, augment: Sequence[Augmentation], generator: torch.Generator) -> Tensor:
    """All of `augment`, one after the other: float N×C×H×W in [0, 1] → the same; `images` itself without any.

    >>> augment = parse_augmentations(["flip", "crop"])
    >>> augment_images(torch.rand(2, 1, 28, 28), augment, torch.Generator()).shape
    torch.Size([2, 1, 28, 28])
    """
    for augmentation in augment:
        images = check_augmented(images, augmentation(images, generator), augmentation)
    return images


def check_augmented(images: Tensor, changed: object, augmentation: object) -> Tensor:
    """What an augmentation made of `images`, in their type; InputError when it is no float N×C×H×W of as many.

    >>> check_augmented(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.float64), "mine").dtype
    torch.float32
    """
    if not isinstance(changed, Tensor) or not changed.is_floating_point():
        kind = changed.dtype if isinstance(changed, Tensor) else type(changed).__name__
        raise InputError(f"{augmentation!r} returned {kind}; allowed: a float tensor N×C×H×W")
    if changed.ndim != 4 or changed.shape[:2] != images.shape[:2]:
        shapes = f"{tuple(images.shape)} to {tuple(changed.shape)}"
        raise InputError(
            f"{augmentation!r} changed the shape from {shapes}; the number of images and channels must stay"
        )
    return changed.to(images.dtype)


@dataclass(frozen=True)
class NamedAugmentation:
    """What stands behind one name of the option."""

    description: str
    """What it does and what its number means, for help texts."""
    default: float | None
    """The number when none is given; None where it depends on the images."""
    build: Callable[..., Augmentation]
    """Called with the number, or with nothing for the default; raises ConfigError when it is not allowed."""


def _crop(padding: float | None = None) -> Augmentation:
    if padding is not None and padding != int(padding):
        raise ConfigError(f"RandomCrop padding is {padding:g}; allowed: whole pixels from 0")
    return RandomCrop(None if padding is None else int(padding))


def _resized_crop(smallest: float = 0.08) -> Augmentation:
    return RandomResizedCrop(scale=(smallest, 1.0))


def _jitter(strength: float = 0.4) -> Augmentation:
    # The usual recipe turns hues by a quarter of the others' strength; half a turn is already every hue
    return ColorJitter(strength, strength, strength, min(strength / 4, 0.5))


AUGMENTATIONS: Mapping[str, NamedAugmentation] = MappingProxyType(
    {
        "flip": NamedAugmentation("mirror left and right with this probability", 0.5, HorizontalFlip),
        "vflip": NamedAugmentation("mirror top and bottom with this probability", 0.5, VerticalFlip),
        "crop": NamedAugmentation("shift by up to so many pixels (default: side / 8)", None, _crop),
        "resized-crop": NamedAugmentation(
            "scale up a part of at least this share of the area", 0.08, _resized_crop
        ),
        "rotate": NamedAugmentation("turn by up to so many degrees", 15.0, RandomRotation),
        "brightness": NamedAugmentation("change the brightness by up to this share", 0.4, Brightness),
        "contrast": NamedAugmentation("change the contrast by up to this share", 0.4, Contrast),
        "saturation": NamedAugmentation("change the saturation by up to this share", 0.4, Saturation),
        "hue": NamedAugmentation("turn the hue by up to so many turns, at most 0.5", 0.1, Hue),
        "jitter": NamedAugmentation(
            "brightness, contrast, saturation by this share, hue by a quarter", 0.4, _jitter
        ),
        "erasing": NamedAugmentation("paint over a rectangle with this probability", 0.5, RandomErasing),
    }
)
"""Every name that `parse_augmentations` knows."""


def parse_augmentations(names: Sequence[str]) -> tuple[Augmentation, ...]:
    """The augmentations of an option's words: a name, or a name and its number as in `crop:4`.

    Each item may hold several words between commas. Raises UnknownNameError for a name that is not in
    `AUGMENTATIONS`, and ConfigError for a number that is none or not allowed.

    >>> parse_augmentations(["flip", "crop:4"])
    (HorizontalFlip(p=0.5), RandomCrop(padding=4, mode='zeros'))
    >>> parse_augmentations("erasing:0.25,hue")[1]
    Hue(strength=0.1)
    """
    items = [names] if isinstance(names, str) else names
    return tuple(_parse(word.strip()) for item in items if item.strip() for word in item.split(","))


def _parse(word: str) -> Augmentation:
    name, colon, text = (part.strip() for part in word.partition(":"))
    if name not in AUGMENTATIONS:
        raise UnknownNameError(
            "augmentation", name, AUGMENTATIONS, remedy="numbers follow a colon, as in crop:4"
        )
    named = AUGMENTATIONS[name]
    return named.build(_number(word, text)) if colon else named.build()


def _number(word: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(
            f"augmentation {word!r} has no number after the colon; allowed: such as crop:4 or hue:0.1"
        )
    return number
