"""Augmentations that move pixels: flips, crops, rotation. Each image gets its own draw.

Images are floating-point N×C×H×W in [0, 1] before normalization, on any device; each call returns new ones.
N images, C channels, H height, W width, S side of the output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.data.augmentation.random_params import (
    Boxes,
    check_float_images,
    check_interval,
    check_number,
    draw_boxes,
    draw_chance,
    draw_integers,
    draw_uniform,
)
from convnets.errors import ConfigError, InputError

__all__ = ["HorizontalFlip", "RandomCrop", "RandomResizedCrop", "RandomRotation", "VerticalFlip"]

_BORDERS = ("reflect", "zeros")


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror left and right with probability `p`.

    >>> images = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    >>> HorizontalFlip(p=1.0)(images, torch.Generator())
    tensor([[[[1.0000, 0.5000, 0.0000]]]])
    """

    p: float = 0.5
    """Probability, from 0 to 1."""

    def __post_init__(self) -> None:
        check_number("HorizontalFlip p", self.p, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape, mirrored or not."""
        check_float_images(images, "HorizontalFlip")
        return torch.where(draw_chance(images, self.p, generator), images.flip(-1), images)


@dataclass(frozen=True)
class VerticalFlip:
    """Mirror top and bottom with probability `p`.

    >>> images = torch.tensor([[[[0.0], [1.0]]]])
    >>> VerticalFlip(p=1.0)(images, torch.Generator()).flatten()
    tensor([1., 0.])
    """

    p: float = 0.5
    """Probability, from 0 to 1."""

    def __post_init__(self) -> None:
        check_number("VerticalFlip p", self.p, 0, 1)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape, mirrored or not."""
        check_float_images(images, "VerticalFlip")
        return torch.where(draw_chance(images, self.p, generator), images.flip(-2), images)


@dataclass(frozen=True)
class RandomCrop:
    """Pad each side, then cut out the original size at a random place: a shift by up to `padding` pixels.

    The augmentation of small images in He et al. 2016, "Deep residual learning for image recognition",
    section 4.2 (4 zeros on each side of 32×32). Every one of the (2·padding + 1)² places is equally likely.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandomCrop(padding=4)(images, torch.Generator()).shape
    torch.Size([2, 3, 32, 32])
    """

    padding: int | None = None
    """Pixels added to each side; None: an eighth of the short side (3 for 28 pixels, 4 for 32)."""
    mode: str = "zeros"
    """What the added pixels show: `reflect` (the image mirrored about its edge pixels) or `zeros` (black)."""

    def __post_init__(self) -> None:
        if self.padding is not None and (self.padding < 0 or self.padding != int(self.padding)):
            raise ConfigError(
                f"RandomCrop padding is {self.padding!r}; allowed: whole pixels from 0, or None"
            )
        if self.mode not in _BORDERS:
            raise ConfigError(f"RandomCrop mode is {self.mode!r}; allowed: {', '.join(_BORDERS)}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape; InputError when `reflect` needs more pixels than there are."""
        check_float_images(images, "RandomCrop")
        side = min(images.shape[-2:])
        padding = side // 8 if self.padding is None else int(self.padding)
        if self.mode == "reflect" and padding >= side:
            raise InputError(
                f"RandomCrop padding is {padding} for images of {side} pixels; "
                f"allowed: up to {side - 1}, or mode='zeros'"
            )
        top = draw_integers(images, 2 * padding + 1, generator)
        left = draw_integers(images, 2 * padding + 1, generator)
        border = (padding, padding, padding, padding)
        padded = F.pad(images, border, mode="reflect") if self.mode == "reflect" else F.pad(images, border)
        return _cut(padded, top, left, images.shape[-2], images.shape[-1])


def _cut(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """N×C×height×width from N×C×H×W, each image at its own `top` and `left` (int64 N)."""
    count, channels, full_height, full_width = images.shape
    # Every row of a crop is a window of the images laid out as one long line: copies of whole rows, which is
    # several times faster than looking up single pixels
    planes = torch.arange(count * channels, device=images.device) * (full_height * full_width)
    rows = torch.arange(height, device=images.device) * full_width
    starts = planes.view(count, channels, 1) + (top * full_width + left).view(-1, 1, 1) + rows  # N×C×height
    windows = images.contiguous().flatten().unfold(0, width, 1)
    return windows.index_select(0, starts.flatten()).view(count, channels, height, width)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut out a rectangle of random area and shape at a random place and scale it to the whole output.

    Szegedy et al. 2015, "Going deeper with convolutions", section 6; the defaults are those of the published
    ImageNet recipes. Ten rectangles are tried for each image; when none fits, the largest one in the middle
    whose shape is allowed is taken. Bilinear, and antialiased when it shrinks; rectangles need not begin at
    whole pixels.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandomResizedCrop(scale=(0.25, 1.0), size=24)(images, torch.Generator()).shape
    torch.Size([2, 3, 24, 24])
    """

    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest share of the image's area, above 0 and at most 1."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Smallest and largest width / height, in pixels of the image."""
    size: int | None = None
    """Side of the output in pixels; None keeps the image's height and width."""

    def __post_init__(self) -> None:
        check_interval("RandomResizedCrop scale", self.scale, 1)
        check_interval("RandomResizedCrop ratio", self.ratio)
        if self.size is not None and self.size < 1:
            raise ConfigError(f"RandomResizedCrop size is {self.size}; allowed: pixels from 1, or None")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → N×C×S×S, or N×C×H×W when `size` is None."""
        check_float_images(images, "RandomResizedCrop")
        height, width = images.shape[-2:]
        boxes = draw_boxes(images, self.scale, self.ratio, generator)
        heights, widths = self._fallback(boxes, height, width)
        vertical, horizontal = (draw_uniform(images, 0.0, 1.0, generator).flatten() for _ in range(2))
        top = torch.where(boxes.fits, vertical, 0.5) * (height - heights)
        left = torch.where(boxes.fits, horizontal, 0.5) * (width - widths)
        out_height, out_width = (self.size or height), (self.size or width)
        rows = _resampling(top, heights, height, out_height)
        columns = _resampling(left, widths, width, out_width)
        return _resample(images, rows, columns)

    def _fallback(self, boxes: Boxes, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Heights and widths of the boxes; where none fits, of the largest box whose shape is allowed."""
        shape = min(max(width / height, self.ratio[0]), self.ratio[1])
        heights = torch.where(boxes.fits, boxes.heights, min(height, width / shape))
        return heights, torch.where(boxes.fits, boxes.widths, min(width, height * shape))


def _resampling(start: Tensor, length: Tensor, pixels: int, out_pixels: int) -> Tensor:
    """The share of every pixel of one axis in each output pixel, N×out_pixels×pixels, for `length` from
    `start`.

    A triangle of half-width max(1, length / out_pixels) pixels about each output pixel's center, cut at the
    image's border and normalized: bilinear when it grows, antialiased when it shrinks, as in Pillow's resize
    with a box.
    """
    step = (length / out_pixels).view(-1, 1, 1)
    outputs = torch.arange(out_pixels, device=start.device).view(1, -1, 1) + 0.5
    centers = start.view(-1, 1, 1) + outputs * step
    positions = torch.arange(pixels, device=start.device) + 0.5
    weights = (1 - (positions - centers).abs() / step.clamp(min=1.0)).clamp_(min=0.0)
    return weights / weights.sum(-1, keepdim=True)


def _resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows · image · columnsᵀ for each image: N×C×H×W, N×out_H×H and N×out_W×W → N×C×out_H×out_W."""
    count, channels, height, width = images.shape
    with torch.autocast(
        images.device.type, enabled=False
    ):  # in bf16 the products would keep 8 bits of the pixels
        wide = images.float().reshape(count, channels * height, width) @ columns.transpose(1, 2)
        tall = rows.unsqueeze(1) @ wide.view(count, channels, height, -1)
    return tall.clamp_(0.0, 1.0).to(images.dtype)  # weights add up to 1 within rounding only


@dataclass(frozen=True)
class RandomRotation:
    """Turn about the middle by an angle between −`degrees` and `degrees`, bilinearly.

    >>> images = torch.rand(2, 1, 28, 28)
    >>> RandomRotation(degrees=10)(images, torch.Generator()).shape
    torch.Size([2, 1, 28, 28])
    """

    degrees: float = 15.0
    """Largest angle, from 0 to 180; every angle up to it is equally likely, both ways round."""
    mode: str = "reflect"
    """What corners from outside the image show: `reflect` (the image mirrored) or `zeros` (black)."""

    def __post_init__(self) -> None:
        check_number("RandomRotation degrees", self.degrees, 0, 180)
        if self.mode not in _BORDERS:
            raise ConfigError(f"RandomRotation mode is {self.mode!r}; allowed: {', '.join(_BORDERS)}")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "RandomRotation")
        turns = draw_uniform(images, -self.degrees, self.degrees, generator).flatten() * (math.pi / 180)
        height, width = images.shape[-2:]
        sine, cosine, zero = turns.sin(), turns.cos(), torch.zeros_like(turns)
        # Coordinates run from −1 to 1 along both axes, whatever their length: H / W keeps angles right angles
        matrix = torch.stack(
            [cosine, -sine * (height / width), zero, sine * (width / height), cosine, zero], 1
        )
        grid = F.affine_grid(matrix.view(-1, 2, 3), list(images.shape), align_corners=False).to(images.dtype)
        padding = "reflection" if self.mode == "reflect" else "zeros"
        return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False).clamp_(
            0.0, 1.0
        )
