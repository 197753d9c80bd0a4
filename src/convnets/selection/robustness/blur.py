"""Blur: out of focus, behind glass, in motion, zooming. Images are float N×C×H×W in [0, 1]; severity is 1 to 5."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.selection.robustness.random_params import RandomParams
from convnets.selection.robustness.sampling import gaussian_blur, line_blur, zoom

__all__ = ["defocus_blur", "disk", "glass_blur", "motion_blur", "zoom_blur"]

# lengths are in pixels of a 32 × 32 image
_DEFOCUS = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))  # radius, softness of its edge
_GLASS = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))  # sigma, half width, rounds
_MOTION = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))  # radius, sigma
_ZOOM = (1.06, 1.11, 1.16, 1.21, 1.26)  # factors from 1 to below, in hundredths


def disk(radius: float, softness: float) -> Tensor:
    """float32 S×S that adds up to 1: a disk whose edge is smoothed by a 3 × 3 Gaussian."""
    half_width = max(1, int(radius)) + 1
    side = torch.arange(-half_width, half_width + 1, dtype=torch.float32)
    inside = (side[:, None] ** 2 + side[None] ** 2 <= radius**2).float()
    edge = (-0.5 * (torch.tensor([-1.0, 0.0, 1.0]) / softness) ** 2).exp()
    edge = edge / edge.sum()
    soft = F.conv2d((inside / inside.sum())[None, None], (edge[:, None] * edge[None])[None, None], padding=1)
    return soft[0, 0] / soft.sum()


def defocus_blur(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """Each point becomes a small disk, on images below 32 pixels that of 32: a smaller one would be a point."""
    radius, softness = _DEFOCUS[severity - 1]
    kernel = disk(radius * max(1.0, images.shape[-1] / 32), softness).to(images.device)
    half_width = len(kernel) // 2
    flat = F.pad(images.flatten(0, 1)[:, None], (half_width,) * 4, mode="reflect")
    return F.conv2d(flat, kernel[None, None]).view_as(images)


def glass_blur(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Smoothed, neighbors swapped at random one after another from the lower right, smoothed again."""
    sigma, half_width, rounds = _GLASS[severity - 1]
    scale = images.shape[-1] / 32
    sigma, half_width = sigma * scale, max(1, round(half_width * scale))
    blurred = gaussian_blur(images, sigma)
    count, channels, height, width = images.shape
    swaps = draws.uniform("glass_blur", rounds, height, width, 2)
    moves = ((swaps * 2 * half_width).floor() - half_width).long()  # −half_width … half_width − 1
    order = torch.arange(height * width).repeat(count, 1)
    every = torch.arange(count)
    for turn in range(rounds):
        for row in range(height - half_width - 1, half_width, -1):
            for column in range(width - half_width - 1, half_width, -1):
                down, right = moves[:, turn, row, column].unbind(1)
                here, there = row * width + column, (row + down) * width + column + right
                kept = order[:, here].clone()
                order[:, here] = order[every, there]
                order[every, there] = kept
    place = order.to(images.device)[:, None].expand(-1, channels, -1)
    return gaussian_blur(blurred.flatten(2).gather(2, place).view_as(images), sigma)


def motion_blur(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """A camera that moves, from 45 degrees up to 45 degrees down."""
    radius, sigma = _MOTION[severity - 1]
    scale = images.shape[-1] / 32
    degrees = 90 * draws.uniform("motion_blur") - 45
    return line_blur(images, radius * scale, sigma * scale, degrees)


def zoom_blur(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """The mean of the image and of itself drawn nearer and nearer, by 1.00, 1.01 and so on."""
    steps = round((_ZOOM[severity - 1] - 1) * 100)
    total = images.clone()
    for step in range(steps):
        total += zoom(images, 1 + step / 100)
    return total / (steps + 1)
