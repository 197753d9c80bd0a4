"""Sensitivity: how much a map changes when the picture changes so little that nobody sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from convnets.errors import ConfigError
from convnets.explanation.attribution.methods import Method
from convnets.explanation.attribution.question import Question
from convnets.explanation.belief.importance import PixelMaps, pixel_maps

__all__ = ["sensitivity"]


def sensitivity(
    question: Question,
    method: Method,
    *,
    radius: float = 0.02,
    draws: int = 5,
    seed: int = 0,
    maps: PixelMaps | None = None,
) -> NDArray[np.float64]:
    """N: max over draws of ‖Φ(x + δ) − Φ(x)‖ / ‖Φ(x)‖, δ uniform in ±`radius` · (max x − min x), classes fixed.

    Yeh, Hsieh, Suggala, Inouye & Ravikumar 2019, "On the (in)fidelity and sensitivity of explanations",
    arXiv:1901.09392. 0 is a map that stays, 1 one that changes by as much as there is of it; NaN where Φ(x) is 0.
    Raises ConfigError for a radius that is not above 0, or no draws.
    """
    if radius <= 0 or draws < 1:
        raise ConfigError(f"radius {radius}, {draws} draws; allowed: above 0; 1 or more")
    images = question.images
    known = (pixel_maps(question, method) if maps is None else maps).signed.flatten(1).double()
    flat = images.flatten(1)
    most = radius * (flat.amax(1) - flat.amin(1)).view(-1, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    worst = known.new_zeros(len(known))
    for _ in range(draws):
        noise = 2 * torch.rand(images.shape[1:], generator=generator, device="cpu") - 1
        near = images + most * noise.to(images.device, images.dtype)
        found = pixel_maps(replace(question, images=near), method).signed.flatten(1).double()
        worst = torch.maximum(worst, (found - known).norm(dim=1))
    size = known.norm(dim=1)
    relative: NDArray[np.float64] = torch.where(size > 0, worst / size, torch.nan).cpu().numpy()
    return relative
