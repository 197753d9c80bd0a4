"""Corruptions: pictures made worse in eighteen ways, each at five severities.

Fifteen are those of CIFAR-10-C with its constants for 32 × 32 pixels (Hendrycks & Dietterich 2019, "Benchmarking
neural network robustness to common corruptions and perturbations"); lengths are scaled by the side. Edges are clamped
where ImageMagick and OpenCV do this or that, and frost is drawn, not photographed: accuracies are not those that are
published for CIFAR-10-C. Shift, rotation and scale are ours. N images, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.selection.robustness.blur import defocus_blur, glass_blur, motion_blur, zoom_blur
from convnets.selection.robustness.digital import contrast, elastic_transform, jpeg_compression, pixelate
from convnets.selection.robustness.moves import rotation, scale, shift
from convnets.selection.robustness.noise import gaussian_noise, impulse_noise, shot_noise
from convnets.selection.robustness.random_params import RandomParams
from convnets.selection.robustness.weather import brightness, fog, frost, snow

__all__ = ["CORRUPTIONS", "MOVES", "SEVERITIES", "corrupt"]

Corruption = Callable[[Tensor, int, RandomParams], Tensor]

_FUNCTIONS: tuple[Corruption, ...] = (
    *(gaussian_noise, shot_noise, impulse_noise),
    *(defocus_blur, glass_blur, motion_blur, zoom_blur),
    *(snow, frost, fog, brightness),
    *(contrast, elastic_transform, pixelate, jpeg_compression),
    *(shift, rotation, scale),
)
_BY_NAME: dict[str, Corruption] = {str(getattr(each, "__name__", "")): each for each in _FUNCTIONS}
CORRUPTIONS = tuple(_BY_NAME)
"""Names, the fifteen of CIFAR-10-C first."""
MOVES = CORRUPTIONS[-3:]
SEVERITIES = (1, 2, 3, 4, 5)
_SMALLEST = 8


def corrupt(
    images: Tensor, name: str, severity: int, *, indices: Sequence[int] | None = None, seed: int = 0
) -> Tensor:
    """uint8 N×C×H×W → uint8 of the same shape, corrupted.

    Args:
        name: one of `CORRUPTIONS`; severity: 1 to 5, and 0 for the images as they are.
        indices: of the images in their set, which with `seed` decide what is random; by default 0 to N − 1. The same
            image is corrupted the same way in any batch, on any device.

    Raises UnknownNameError, ConfigError for another severity, InputError for other images; the smallest side is 8.

    >>> images = torch.full((2, 1, 8, 8), 128, dtype=torch.uint8)
    >>> corrupt(images, "brightness", 3)[0, 0, 0, 0].item()
    166
    """
    if name not in _BY_NAME:
        raise UnknownNameError("corruption", name, CORRUPTIONS)
    if severity not in (0, *SEVERITIES):
        raise ConfigError(f"severity is {severity}; allowed: 0 to 5")
    fits = images.dtype == torch.uint8 and images.ndim == 4 and images.shape[1] in (1, 3)
    if not fits or min(images.shape[-2:]) < _SMALLEST or images.shape[-1] != images.shape[-2]:
        raise InputError(
            f"images are {images.dtype} {tuple(images.shape)}; allowed: uint8 N×C×H×W with C = 1 or 3, square, side "
            f"from {_SMALLEST}"
        )
    if severity == 0:
        return images
    places = range(len(images)) if indices is None else indices
    if len(places) != len(images):
        raise InputError(f"{len(places)} indices for {len(images)} images; give one for each")
    worse = _BY_NAME[name](images.float() / 255, severity, RandomParams(seed, tuple(places)))
    return (worse.clamp(0, 1) * 255).round().to(torch.uint8)
