"""Noise: three ways in which single pixels go wrong. Images are float N×C×H×W in [0, 1]; severity is 1 to 5."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.selection.robustness.random_params import RandomParams

__all__ = ["gaussian_noise", "impulse_noise", "shot_noise"]

_GAUSSIAN = (0.04, 0.06, 0.08, 0.09, 0.10)
_SHOT = (500.0, 250.0, 100.0, 75.0, 50.0)
_IMPULSE = (0.01, 0.02, 0.03, 0.05, 0.07)


def gaussian_noise(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """x + σ·n with n normal: little light."""
    noise = draws.normal("gaussian_noise", *images.shape[1:]).to(images.device)
    return images + _GAUSSIAN[severity - 1] * noise


def shot_noise(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Poisson(c·x) / c: light comes in particles."""
    particles = _SHOT[severity - 1]
    return draws.poisson("shot_noise", images * particles).to(images.device) / particles


def impulse_noise(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """A share of all values becomes 0 or 1, each as often: bits in error."""
    half = _IMPULSE[severity - 1] / 2
    chance = draws.uniform("impulse_noise", *images.shape[1:]).to(images.device)
    salted = torch.where(chance >= 1 - half, torch.ones_like(images), images)
    return torch.where(chance < half, torch.zeros_like(images), salted)
