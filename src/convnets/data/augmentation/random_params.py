"""Random parameters: the random numbers of augmentations, one per image, from one generator.

Numbers are drawn on the generator's device and then moved to the images': a CPU generator gives the same
augmentations on every device. N images, H height, W width.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError

__all__ = [
    "Boxes",
    "check_float_images",
    "check_interval",
    "check_number",
    "draw_beta",
    "draw_boxes",
    "draw_chance",
    "draw_integers",
    "draw_uniform",
]

# Boxes tried for each image before it counts as unlucky; the number that torchvision's transforms use
_ATTEMPTS = 10


class Boxes(NamedTuple):
    """One rectangle for each image, in pixels; whether it fits into the image."""

    heights: Tensor
    """float32 N."""
    widths: Tensor
    """float32 N."""
    fits: Tensor
    """bool N: False where no attempt gave a rectangle inside the image."""


def draw_uniform(images: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """A float32 number in [low, high) for each image: N×1×1×1 on the images' device.

    >>> images = torch.zeros(3, 1, 8, 8)
    >>> draw_uniform(images, 0.5, 1.0, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1, 1, 1])
    """
    numbers = torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device)
    return numbers.mul_(high - low).add_(low).to(images.device)


def draw_chance(images: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """True with probability `p` for each image: bool N×1×1×1 on the images' device."""
    return draw_uniform(images, 0.0, 1.0, generator) < p


def draw_integers(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """A whole number from 0 to `count` − 1 for each image: int64 N on the images' device."""
    return torch.randint(count, (len(images),), generator=generator, device=generator.device).to(
        images.device
    )


def draw_beta(images: Tensor, alpha: float, generator: torch.Generator) -> Tensor:
    """A float32 number from the Beta(alpha, alpha) distribution for each image: N×1×1×1 on the images'
    device.

    PyTorch has no public Beta sampler that takes a generator; NumPy's is seeded by it.
    """
    seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
    numbers = np.random.default_rng(seed).beta(alpha, alpha, size=len(images))
    return torch.as_tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).to(images.device)


def draw_boxes(
    images: Tensor, scale: tuple[float, float], ratio: tuple[float, float], generator: torch.Generator
) -> Boxes:
    """A rectangle for each image: a share of the area in `scale`, width / height in `ratio`, not rounded.

    Area uniform, aspect ratio uniform in its logarithm: Szegedy et al. 2015, "Going deeper with
    convolutions", section 6. Ten attempts for each image, all drawn at once; the first that fits counts.
    """
    height, width = images.shape[-2:]
    shares, logs = torch.rand(2, len(images), _ATTEMPTS, generator=generator, device=generator.device).to(
        images.device
    )
    areas = (shares * (scale[1] - scale[0]) + scale[0]) * (height * width)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    root = (0.5 * (logs * (high - low) + low)).exp()  # square root of width / height
    heights, widths = areas.sqrt() / root, areas.sqrt() * root
    inside = (heights <= height) & (widths <= width)
    first = inside.to(torch.uint8).argmax(1, keepdim=True)
    return Boxes(*(values.gather(1, first).squeeze(1) for values in (heights, widths, inside)))


def check_float_images(images: Tensor, what: str) -> None:
    """Raise InputError unless `images` are floating-point N×C×H×W with C = 1 or 3, none of them empty.

    `what` names who asks. Values are not looked at: that would cost more than most augmentations.
    """
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[1] not in (1, 3) or 0 in shape:
        raise InputError(
            f"{what} got images of shape {shape}; allowed: N×C×H×W with C = 1 or 3, N, H, W from 1"
        )
    if not images.is_floating_point():
        raise InputError(
            f"{what} got {images.dtype} images; allowed: floats in [0, 1], such as images.float() / 255"
        )


def check_number(what: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ConfigError unless `value` is a finite number from `low` to `high`; `what` names the setting.

    >>> check_number("HorizontalFlip p", 1.5, 0, 1)
    Traceback (most recent call last):
    convnets.errors.ConfigError: HorizontalFlip p is 1.5; allowed: a number from 0 to 1
    """
    if not math.isfinite(value) or not low <= value <= high:
        span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"from {low:g}"
        raise ConfigError(f"{what} is {value!r}; allowed: a number {span}")


def check_interval(what: str, interval: tuple[float, float], high: float = math.inf) -> None:
    """Raise ConfigError unless `interval` is (low, high) with 0 < low ≤ high, and at most `high`."""
    finite = len(interval) == 2 and all(math.isfinite(v) for v in interval)
    if not finite or not 0 < interval[0] <= interval[1] <= high:
        top = f" ≤ {high:g}" if math.isfinite(high) else ""
        raise ConfigError(f"{what} is {interval!r}; allowed: (low, high) with 0 < low ≤ high{top}")
