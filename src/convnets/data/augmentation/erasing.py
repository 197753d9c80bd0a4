"""Random erasing: a rectangle of each image is painted over, so that a network cannot rely on one part.

N images, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.data.augmentation.random_params import (
    check_float_images,
    check_interval,
    check_number,
    draw_boxes,
    draw_chance,
    draw_uniform,
)
from convnets.errors import ConfigError

__all__ = ["RandomErasing", "inside_boxes"]

_FILLS = ("random", "mean")


@dataclass(frozen=True)
class RandomErasing:
    """With probability `p`, paint over a rectangle of random area and shape at a random place.

    Zhong et al. 2020, "Random erasing data augmentation"; area, shape and random pixels as in the paper. An
    image for which ten attempts give no rectangle that fits stays as it is.

    >>> erased = RandomErasing(p=1.0, value=0.0)(torch.ones(1, 1, 28, 28), torch.Generator().manual_seed(0))
    >>> bool((erased == 0).any()), bool((erased == 1).any())
    (True, True)
    """

    p: float = 0.5
    """Probability, from 0 to 1."""
    scale: tuple[float, float] = (0.02, 0.4)
    """Smallest and largest share of the image's area, above 0 and at most 1."""
    ratio: tuple[float, float] = (0.3, 1 / 0.3)
    """Smallest and largest width / height, in pixels."""
    value: str | float = "random"
    """`random` (every pixel its own value), `mean` (the image's mean color), or a number from 0 to 1."""

    def __post_init__(self) -> None:
        check_number("RandomErasing p", self.p, 0, 1)
        check_interval("RandomErasing scale", self.scale, 1)
        check_interval("RandomErasing ratio", self.ratio)
        if not isinstance(self.value, str):
            check_number("RandomErasing value", self.value, 0, 1)
        elif self.value not in _FILLS:
            raise ConfigError(
                f"RandomErasing value is {self.value!r}; allowed: {', '.join(_FILLS)}, or 0 to 1"
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "RandomErasing")
        boxes = draw_boxes(images, self.scale, self.ratio, generator)
        chosen = draw_chance(images, self.p, generator).flatten() & boxes.fits
        sizes = [lengths.round().clamp(min=1) for lengths in (boxes.heights, boxes.widths)]
        vertical, horizontal = (draw_uniform(images, 0.0, 1.0, generator).flatten() for _ in range(2))
        top = (vertical * (images.shape[-2] - sizes[0] + 1)).floor()
        left = (horizontal * (images.shape[-1] - sizes[1] + 1)).floor()
        erased = inside_boxes(images, top, left, top + sizes[0], left + sizes[1]) & chosen.view(-1, 1, 1, 1)
        return torch.where(erased, self._paint(images, generator), images)

    def _paint(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """What the rectangle shows, of a shape that fits N×C×H×W."""
        if self.value == "random":
            return torch.rand(images.shape, generator=generator, device=generator.device).to(images)
        if self.value == "mean":
            return images.mean((2, 3), keepdim=True)
        return images.new_tensor(float(self.value))


def inside_boxes(images: Tensor, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor:
    """bool N×1×H×W: True in rows top ≤ y < bottom and columns left ≤ x < right of each image (each N).

    >>> corners = [torch.tensor([value]) for value in (0, 1, 1, 3)]
    >>> inside_boxes(torch.zeros(1, 3, 2, 4), *corners).int()
    tensor([[[[0, 1, 1, 0],
              [0, 0, 0, 0]]]], dtype=torch.int32)
    """
    rows = torch.arange(images.shape[-2], device=images.device)
    columns = torch.arange(images.shape[-1], device=images.device)
    tall = (rows >= top.view(-1, 1)) & (rows < bottom.view(-1, 1))  # N×H
    wide = (columns >= left.view(-1, 1)) & (columns < right.view(-1, 1))  # N×W
    return (tall.unsqueeze(2) & wide.unsqueeze(1)).unsqueeze(1)
