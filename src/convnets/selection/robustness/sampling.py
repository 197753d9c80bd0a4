"""Sampling: values between pixels, and smoothing. Beyond the edge an image goes on with its outermost pixels.

N images, C channels, H height, W width; rows and columns count from 0 at the middle of the first pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gaussian_blur", "line_blur", "places", "sample", "zoom"]


def places(images: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel: float32 1×H×W each."""
    height, width = images.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=images.device),
        torch.arange(width, dtype=torch.float32, device=images.device),
        indexing="ij",
    )
    return rows[None], columns[None]


def sample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """float N×C×H×W at `rows`, `columns` (N×H×W, or 1×H×W for all): bilinear between the four pixels around.

    >>> picture = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> sample(picture, torch.tensor([[[0.5]]]), torch.tensor([[[0.5]]])).item()
    1.5
    """
    count, channels, height, width = images.shape
    rows = rows.clamp(0, height - 1).expand(count, -1, -1)
    columns = columns.clamp(0, width - 1).expand(count, -1, -1)
    top, left = rows.floor().clamp(max=max(height - 2, 0)), columns.floor().clamp(max=max(width - 2, 0))
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    flat = images.flatten(2)  # N×C×(H·W)
    shape = (count, channels, *rows.shape[1:])

    def at(row: Tensor, column: Tensor) -> Tensor:
        place = (row.clamp(max=height - 1) * width + column.clamp(max=width - 1)).long().flatten(1)
        return flat.gather(2, place[:, None].expand(-1, channels, -1)).view(shape)

    upper = at(top, left) * (1 - right) + at(top, left + 1) * right
    lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    return upper * (1 - down) + lower * down


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """float N×C×H×W smoothed by a Gaussian of `sigma` pixels, cut off at 4 sigma; 0 changes nothing."""
    radius = int(4 * sigma + 0.5)
    if radius == 0:
        return images
    distance = torch.arange(-radius, radius + 1, dtype=torch.float32, device=images.device)
    weights = (-0.5 * (distance / sigma) ** 2).exp()
    weights = weights / weights.sum()
    count, channels, height, width = images.shape
    flat = F.pad(images.reshape(count * channels, 1, height, width), (radius,) * 4, mode="replicate")
    flat = F.conv2d(F.conv2d(flat, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return flat.view(count, channels, height, width)


def line_blur(images: Tensor, radius: float, sigma: float, degrees: Tensor) -> Tensor:
    """Motion: each pixel is the mean of those behind it along a line, Σ_i w_i·x(p + i·d), w_i ∝ exp(−i²/2σ²).

    i from 0 to 2·`radius`; d is the direction of each image (N angles); the places are rounded to pixels.
    """
    steps = torch.arange(0, 2 * round(radius) + 1, dtype=torch.float32, device=images.device)
    weights = (-0.5 * (steps / sigma) ** 2).exp()
    shares = (weights / weights.sum()).tolist()
    angle = degrees.to(images.device).double() * torch.pi / 180
    rows, columns = places(images)
    blurred = torch.zeros_like(images)
    for step, weight in enumerate(shares):
        down, right = (
            (step * part + 0.5).floor().float().view(-1, 1, 1) for part in (angle.sin(), angle.cos())
        )
        blurred += weight * sample(images, rows + down, columns + right)
    return blurred


def zoom(images: Tensor, factor: float) -> Tensor:
    """Larger around the middle by `factor`, bilinear; of the same size."""
    rows, columns = places(images)
    middle = [(side - 1) / 2 for side in images.shape[-2:]]
    return sample(images, middle[0] + (rows - middle[0]) / factor, middle[1] + (columns - middle[1]) / factor)
