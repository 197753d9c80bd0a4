"""Moves: the image shifted, turned, or of another size. Images are float N×C×H×W in [0, 1]; severity is 1 to 5.

The ground that comes into view has the value 0, as the ground of Fashion-MNIST and of digits has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.selection.robustness.random_params import RandomParams
from convnets.selection.robustness.sampling import places, sample

__all__ = ["rotation", "scale", "shift", "shifted"]

_SHIFT = (1, 2, 3, 4, 6)  # pixels of a 32 × 32 image
_ROTATION = (5.0, 10.0, 15.0, 20.0, 30.0)  # degrees
_SCALE = (0.95, 0.9, 0.8, 0.7, 0.6)


def shift(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Shifted by so many whole pixels, up, down, left or right."""
    pixels = max(1, round(_SHIFT[severity - 1] * images.shape[-1] / 32))
    way = (draws.uniform("shift") * 4).floor().long()
    found = torch.stack(
        [shifted(images, *move) for move in ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels))]
    )
    return found[way.to(images.device), torch.arange(len(images), device=images.device)]


def shifted(images: Tensor, down: int, right: int) -> Tensor:
    """All images shifted by whole pixels; zeros come in.

    >>> shifted(torch.tensor([[[[1.0, 2.0]]]]), 0, 1).tolist()
    [[[[0.0, 1.0]]]]
    """
    moved = images.roll((down, right), (2, 3)).clone()
    if down:
        moved[:, :, :down] = 0 if down > 0 else moved[:, :, :down]
        moved[:, :, down:] = 0 if down < 0 else moved[:, :, down:]
    if right:
        moved[..., :right] = 0 if right > 0 else moved[..., :right]
        moved[..., right:] = 0 if right < 0 else moved[..., right:]
    return moved


def rotation(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Turned around the middle, to the left or to the right, bilinear."""
    sign = torch.where(draws.uniform("rotation") < 0.5, -1.0, 1.0).double()
    angle = (sign * _ROTATION[severity - 1] * torch.pi / 180).to(images.device).view(-1, 1, 1)
    return _mapped(images, angle.cos().float(), angle.sin().float())


def scale(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """Smaller, around the middle, bilinear."""
    grown = torch.full((1, 1, 1), 1 / _SCALE[severity - 1], device=images.device)
    return _mapped(images, grown, torch.zeros_like(grown))


def _mapped(images: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """Each pixel from `along`·own and ±`across`·other distance to the middle; 0 beyond the edge."""
    rows, columns = places(images)
    middle = [(side - 1) / 2 for side in images.shape[-2:]]
    down, right = rows - middle[0], columns - middle[1]
    row, column = middle[0] + along * down - across * right, middle[1] + along * right + across * down
    high, wide = images.shape[-2] - 1, images.shape[-1] - 1
    seen = (row > -0.5) & (row < high + 0.5) & (column > -0.5) & (column < wide + 0.5)
    return sample(images, row, column) * seen[:, None]
