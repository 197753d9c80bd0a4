"""Augmentations that change colors: brightness, contrast, saturation, hue. Each image gets its own draw.

Images are floating-point N×C×H×W in [0, 1] before normalization, on any device; each call returns new ones.
A strength s means a factor from max(0, 1 − s) to 1 + s, as the published recipes count it.
N images, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.data.augmentation.random_params import check_float_images, check_number, draw_uniform
from convnets.data.preprocess import convert_channels

__all__ = ["Brightness", "ColorJitter", "Contrast", "Hue", "Saturation"]


@dataclass(frozen=True)
class Brightness:
    """Multiply the pixels by a random factor.

    >>> Brightness(0.4)(torch.rand(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """

    strength: float = 0.4
    """Factor between max(0, 1 − strength) and 1 + strength."""

    def __post_init__(self) -> None:
        check_number("Brightness strength", self.strength, 0)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "Brightness")
        return (images * _factors(images, self.strength, generator)).clamp_(0.0, 1.0)


@dataclass(frozen=True)
class Contrast:
    """Move the pixels away from, or towards, the mean gray of their image by a random factor.

    >>> Contrast(0.4)(torch.rand(2, 1, 8, 8), torch.Generator()).shape
    torch.Size([2, 1, 8, 8])
    """

    strength: float = 0.4
    """Factor between max(0, 1 − strength) and 1 + strength; 0 would leave one gray."""

    def __post_init__(self) -> None:
        check_number("Contrast strength", self.strength, 0)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "Contrast")
        gray = _gray(images).mean((2, 3), keepdim=True)  # N×1×1×1
        return _blend(gray, images, _factors(images, self.strength, generator))


@dataclass(frozen=True)
class Saturation:
    """Move the pixels away from, or towards, their own gray by a random factor; gray images stay as they are.

    >>> Saturation(0.4)(torch.rand(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """

    strength: float = 0.4
    """Factor between max(0, 1 − strength) and 1 + strength; 0 would leave a gray image."""

    def __post_init__(self) -> None:
        check_number("Saturation strength", self.strength, 0)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "Saturation")
        factors = _factors(images, self.strength, generator)
        if images.shape[1] == 1:
            return images.clone()
        return _blend(_gray(images), images, factors)


@dataclass(frozen=True)
class Hue:
    """Turn the hue of every pixel by a random angle on the color wheel; gray images stay as they are.

    >>> Hue(0.1)(torch.rand(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """

    strength: float = 0.1
    """Largest turn in either direction, in whole turns of the wheel, from 0 to 0.5."""

    def __post_init__(self) -> None:
        check_number("Hue strength", self.strength, 0, 0.5)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "Hue")
        turns = draw_uniform(images, -self.strength, self.strength, generator)
        if images.shape[1] == 1:
            return images.clone()
        return _turn_hue(images, turns.to(images.dtype))


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, one after the other, in an order drawn for each batch.

    The order differs between batches, not within one: the factors differ for every image.

    >>> ColorJitter(hue=0.0)
    ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0)
    """

    brightness: float = 0.4
    """Strength of Brightness; 0 leaves it out."""
    contrast: float = 0.4
    """Strength of Contrast; 0 leaves it out."""
    saturation: float = 0.4
    """Strength of Saturation; 0 leaves it out."""
    hue: float = 0.1
    """Strength of Hue, from 0 to 0.5; 0 leaves it out."""

    def __post_init__(self) -> None:
        self._steps()

    def _steps(self) -> list[Brightness | Contrast | Saturation | Hue]:
        steps: list[Brightness | Contrast | Saturation | Hue] = [
            Brightness(self.brightness),
            Contrast(self.contrast),
            Saturation(self.saturation),
            Hue(self.hue),
        ]
        return [step for step in steps if step.strength > 0]

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Float N×C×H×W → the same shape."""
        check_float_images(images, "ColorJitter")
        steps = self._steps()
        order = torch.randperm(len(steps), generator=generator, device=generator.device).tolist()
        changed = images
        for index in order:
            changed = steps[index](changed, generator)
        return changed if steps else images.clone()


def _factors(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """One factor for each image, N×1×1×1, in the images' floating-point type."""
    return draw_uniform(images, max(0.0, 1.0 - strength), 1.0 + strength, generator).to(images.dtype)


def _blend(base: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """base + factor · (image − base), within [0, 1]."""
    return (images - base).mul_(factors).add_(base).clamp_(0.0, 1.0)


def _gray(images: Tensor) -> Tensor:
    """The luma of N×C×H×W: N×1×H×W in the same floating-point type."""
    return convert_channels(images, 1).to(images.dtype)


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Add `turns` (N×1×1×1) to the hue of RGB images; HSV's value and chroma stay.

    The hexagon of Smith 1978, "Color gamut transform pairs", with the hue h in sixths of a turn: the share of
    the chroma above the smallest channel is |h − 3| − 1 for red, 2 − |h − 2| for green, 2 − |h − 4| for blue,
    in [0, 1].
    """
    hue, smallest, chroma = _hue_in_sixths(images)
    turned = (hue + 6 * turns).remainder_(6)  # N×1×H×W
    corners, signs, offsets = (
        images.new_tensor([[3, 2, 4], [1, -1, -1], [-1, 2, 2]]).view(3, 1, 3, 1, 1).unbind()
    )
    share = (turned - corners).abs_().mul_(signs).add_(offsets).clamp_(0.0, 1.0)  # N×3×H×W
    return share.mul_(chroma).add_(smallest).clamp_(0.0, 1.0)


def _hue_in_sixths(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue from −1 to 5, smallest channel and chroma of RGB images, each N×1×H×W."""
    red, green, blue = (images[:, i : i + 1] for i in range(3))
    value, smallest = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    chroma = value - smallest
    divisor = torch.where(chroma > 0, chroma, 1.0)  # gray pixels have no hue; any will do
    of_green_or_blue = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    return torch.where(value == red, (green - blue) / divisor, of_green_or_blue), smallest, chroma
