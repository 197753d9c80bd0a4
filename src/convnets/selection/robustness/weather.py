"""Weather: snow, frost, fog and bright light. Images are float N×C×H×W in [0, 1]; severity is 1 to 5."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.data.preprocess import convert_channels
from convnets.selection.robustness.random_params import RandomParams
from convnets.selection.robustness.sampling import line_blur, zoom

__all__ = ["brightness", "fog", "fractal", "frost", "snow"]

# mean and spread of the flakes, their size, threshold, length and spread of their fall, how much of the image stays
_SNOW = (
    (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
    (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
)
_FROST = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))  # of the image, of the frost
_FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))  # thickness, smoothness
_BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3)


def snow(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Flakes that fall, twice, the second time from the other side, over a paler image."""
    mean, spread, size, threshold, radius, sigma, kept = _SNOW[severity - 1]
    scale = images.shape[-1] / 32
    flakes = mean + spread * draws.normal("snow", 1, *images.shape[2:]).to(images.device)
    flakes = zoom(flakes, size)
    flakes = torch.where(flakes < threshold, torch.zeros_like(flakes), flakes).clamp(0, 1)
    degrees = 90 * draws.uniform("snow direction") - 135
    flakes = line_blur(flakes, radius * scale, sigma * scale, degrees)
    pale = torch.maximum(images, convert_channels(images, 1) * 1.5 + 0.5)
    return kept * images + (1 - kept) * pale + flakes + flakes.flip(2, 3)


def frost(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Crystals in front of the image.

    Differs from CIFAR-10-C, which lays photographs of frost over it: these are ridges of a fractal, (1 − |2f − 1|)⁴.
    """
    own, crystals = _FROST[severity - 1]
    ridges = (1 - (2 * fractal(images, 1.7, "frost", draws) - 1).abs()) ** 4
    return own * images + crystals * ridges


def fog(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """A cloud in front of the image, scaled so that its brightest pixel stays as bright."""
    thickness, smoothness = _FOG[severity - 1]
    brightest = images.amax((1, 2, 3), keepdim=True)
    clouded = images + thickness * fractal(images, smoothness, "fog", draws)
    return clouded * brightest / (brightest + thickness)


def brightness(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """The V of HSV, the largest channel, grows; color and saturation stay."""
    value = images.amax(1, keepdim=True)
    wanted = (value + _BRIGHTNESS[severity - 1]).clamp(max=1)
    return torch.where(value > 0, images * wanted / value.clamp(min=1e-12), wanted)


def fractal(images: Tensor, decay: float, purpose: str, draws: RandomParams) -> Tensor:
    """float32 N×1×H×W from 0 to 1: a plasma fractal by diamonds and squares on a ring of 2^k × 2^k.

    Fournier, Fussell & Carpenter 1982, "Computer rendering of stochastic models"; each halving of the step divides
    the randomness by `decay`, so that a large one is smooth.
    """
    side = 1 << (max(images.shape[-2:]) - 1).bit_length()
    chance = (2 * draws.uniform(purpose, side * side) - 1).double()
    ground = torch.zeros(len(images), side, side, dtype=torch.float64)
    step, wibble, used = side, 100.0, 0

    def jolted(total: Tensor) -> Tensor:
        nonlocal used
        drawn = chance[:, used : used + total[0].numel()].view_as(total)
        used += total[0].numel()
        return total / 4 + wibble * wibble * drawn

    while step >= 2:
        half = step // 2
        corners = ground[:, ::step, ::step]
        square = corners + corners.roll(-1, 1)
        ground[:, half::step, half::step] = jolted(square + square.roll(-1, 2))
        middles, corners = ground[:, half::step, half::step], ground[:, ::step, ::step]
        above = middles + middles.roll(1, 1) + corners + corners.roll(-1, 2)
        beside = middles + middles.roll(1, 2) + corners + corners.roll(-1, 1)
        ground[:, ::step, half::step] = jolted(above)
        ground[:, half::step, ::step] = jolted(beside)
        step, wibble = half, wibble / decay
    ground = ground - ground.amin((1, 2), keepdim=True)
    ground = ground / ground.amax((1, 2), keepdim=True)
    return ground[:, None, : images.shape[2], : images.shape[3]].float().to(images.device)
