"""Preprocess: how any picture becomes the network's input. It travels inside the model folder.

One route for every picture, in training, evaluation and prediction:
uint8 → [0, 1] → short side to `resize` → center crop of `size` × `size` → (x − mean) / std.
N images, C channels, H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from convnets.core.former_names import former_attribute, takes_former_names
from convnets.errors import ConfigError, InputError

__all__ = ["Preprocess", "center_crop", "channel_statistics", "convert_channels", "resize_short_side"]

# ITU-R BT.601 luma, the weights behind Pillow's own conversion from RGB to L
_LUMA = (0.299, 0.587, 0.114)
_MAX_SIDE = 8192  # 67 megapixels, as many as a picture that is read may have


@takes_former_names
@dataclass(frozen=True)
class Preprocess:
    """Channels, sizes in pixels, and mean and spread of the pixels in [0, 1].

    >>> preprocess = Preprocess(channels=1, size=28, resize=28, mean=(0.2860,), std=(0.3530,))
    >>> preprocess(torch.zeros(2, 1, 56, 56, dtype=torch.uint8)).shape
    torch.Size([2, 1, 28, 28])
    """

    channels: int
    """1 (gray) or 3 (RGB)."""
    size: int
    """Side of the network's square input, in pixels."""
    resize: int
    """Short side that pictures are scaled to before the crop, in pixels; at least `size`."""
    mean: tuple[float, ...]
    """Subtracted from each channel, in units of [0, 1]; zeros leave the pixels as they are."""
    std: tuple[float, ...]
    """Each channel is divided by it, in units of [0, 1]; ones leave the pixels as they are."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ConfigError(f"preprocess channels is {self.channels}; allowed: 1 or 3")
        if not 1 <= self.size <= self.resize:
            raise ConfigError(
                f"preprocess size is {self.size} with resize {self.resize}; allowed: 1 ≤ size ≤ resize"
            )
        if self.resize > _MAX_SIDE:
            raise ConfigError(f"preprocess resize is {self.resize}; allowed: at most {_MAX_SIDE} pixels")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(
                f"preprocess mean and std need {self.channels} numbers; got {self.mean} and {self.std}"
            )
        if not all(math.isfinite(m) for m in self.mean) or not all(
            math.isfinite(s) and s > 0 for s in self.std
        ):
            raise ConfigError(f"preprocess mean {self.mean}, std {self.std}; allowed: finite, std above 0")

    @classmethod
    def plain(cls, channels: int, size: int, resize: int | None = None) -> Preprocess:
        """Pixels in [0, 1] without normalization, as the book's loaders give them."""
        return cls(channels, size, resize or size, (0.0,) * channels, (1.0,) * channels)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """The inverse of `to_dict`."""
        try:
            mean, std = (tuple(float(v) for v in values[key]) for key in ("mean", "std"))
            channels, size, resize = (int(values[key]) for key in ("channels", "size", "resize"))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ConfigError(
                f"preprocess {str(values)[:100]} lacks or mistypes {str(error)[:100]}"
            ) from None
        return cls(channels, size, resize, mean, std)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (or float in [0, 1]) N×C×H×W of any size → float32 N×`channels`×`size`×`size`, normalized."""
        return self.normalize(self.fit(self.to_unit(images)))

    def to_unit(self, images: Tensor) -> Tensor:
        """uint8 N×C×H×W → float32 in [0, 1] with the network's channels; float images keep their values."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise InputError(f"images have shape {tuple(images.shape)}; allowed: N×C×H×W with C = 1 or 3")
        unit = images.to(torch.float32).div_(255.0) if images.dtype == torch.uint8 else images
        return convert_channels(unit, self.channels)

    def fit(self, images: Tensor) -> Tensor:
        """Float N×C×H×W of any size → N×C×`size`×`size`: short side to `resize`, then the center."""
        return center_crop(resize_short_side(images, self.resize), self.size)

    def normalize(self, images: Tensor) -> Tensor:
        """(x − mean) / std for each channel of float N×C×H×W."""
        if not any(self.mean) and all(s == 1.0 for s in self.std):
            return images
        on_gpu = type(images) is Tensor and images.is_cuda
        make = _kept_per_channel if on_gpu else _per_channel
        mean, std = (make(values, images.dtype, images.device) for values in (self.mean, self.std))
        return (images - mean).div_(std)

    def store(self, picture: Image.Image) -> Tensor:
        """One PIL picture → uint8 C×`resize`×`resize`: what is kept in memory of a picture from a file."""
        return self.picture(picture, self.resize, square=True)

    def picture(self, picture: Image.Image, short_side: int, *, square: bool = False) -> Tensor:
        """One PIL picture → uint8 C×H×W whose short side is `short_side`; `square` keeps the center only."""
        picture = picture.convert("L" if self.channels == 1 else "RGB")
        if square:
            picture = _without_far_ends(picture)
        width, height = picture.size
        if min(width, height) != short_side:
            scale = short_side / min(width, height)
            size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        if square and picture.width != picture.height:
            left, top = (picture.width - short_side) // 2, (picture.height - short_side) // 2
            picture = picture.crop((left, top, left + short_side, top + short_side))
        array = np.array(picture, dtype=np.uint8)  # H×W or H×W×C
        return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def _per_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """1×C×1×1."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device).view(1, -1, 1, 1)


_kept_per_channel = lru_cache(maxsize=16)(_per_channel)
"""The same, copied to a GPU once: each copy would wait until the GPU has done all it was given before."""


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """The middle of a very long picture: scaling all of it up only to crop it would fill the memory."""
    width, height = picture.size
    longest = 32 * min(width, height)
    if max(width, height) <= longest:
        return picture
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return picture.crop((left, top, min(width, left + longest), min(height, top + longest)))


def convert_channels(images: Tensor, channels: int) -> Tensor:
    """N×C×H×W with 1 or 3 channels → N×`channels`×H×W: gray is repeated, RGB becomes its BT.601 luma."""
    if images.shape[1] == channels:
        return images
    if images.shape[1] == 1:
        return images.expand(-1, channels, -1, -1)
    weights = torch.tensor(_LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def resize_short_side(images: Tensor, side: int) -> Tensor:
    """Float N×C×H×W scaled bilinearly so that the short side is `side`; antialiased when it shrinks, as Pillow does."""
    height, width = images.shape[-2:]
    if min(height, width) == side:
        return images
    scale = side / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=scale < 1)


def center_crop(images: Tensor, side: int) -> Tensor:
    """The middle `side` × `side` pixels of N×C×H×W."""
    top, left = (images.shape[-2] - side) // 2, (images.shape[-1] - side) // 2
    return images[..., top : top + side, left : left + side]


def channel_statistics(images: Tensor, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and population standard deviation of each channel of uint8 N×C×H×W, in units of [0, 1].

    Exact: it counts the 256 values instead of adding up floats. A channel of one constant value gets std 1.
    """
    if images.shape[1] != channels:
        images = convert_channels(images.float(), channels).round().to(torch.uint8)
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = float((share * values).sum())
        spread = math.sqrt(max(0.0, float((share * (values - mean) ** 2).sum())))
        means.append(mean)
        stds.append(spread if spread > 0 else 1.0)
    return tuple(means), tuple(stds)


__getattr__ = former_attribute(__name__, globals())
