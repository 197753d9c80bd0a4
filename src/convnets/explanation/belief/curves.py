"""Curves: the probability of a class while the pixels that a map ranks first go, or come.

N images, S steps, P pixels of an image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.explanation.attribution.question import Question, scores_of_variants

__all__ = ["Curves", "blurred", "deletion_and_insertion", "pixel_ranks"]

_SPREAD, _RADIUS = 5.0, 5  # pixels, as in RISE


@dataclass(frozen=True, eq=False)
class Curves:
    """How a class fares without, and with nothing but, the pixels that a map ranks first."""

    shares: Tensor
    """S+1 shares of the pixels, from 0 to 1."""
    deletion: Tensor
    """N×(S+1) probabilities: the first pixels take the mean color. Falls fast where the map is right."""
    insertion: Tensor
    """N×(S+1) probabilities: a blurred image gets its first pixels back. Rises fast where the map is right."""

    @property
    def deletion_area(self) -> Tensor:
        """N: the mean height of the curve by the trapezoid rule, 0 to 1; the lower, the better."""
        return torch.trapezoid(self.deletion, self.shares.to(self.deletion))

    @property
    def insertion_area(self) -> Tensor:
        """N: the same of insertion; the higher, the better."""
        return torch.trapezoid(self.insertion, self.shares.to(self.insertion))


def deletion_and_insertion(
    question: Question, importance: Tensor, *, step: float = 0.02, seed: int = 0
) -> Curves:
    """Both curves for each image of `question` and its map N×H×W, `step` of the pixels at a time.

    The class is the target, whatever the network says on the way, and the height its probability; a contrast plays
    no part. Deleted pixels are 0, the mean color where images are normalized; insertion starts from the image
    blurred by a Gaussian (σ 5 pixels). Equal values are ranked at random, by `seed`.
    Petsiuk, Das & Saenko 2018, "RISE", arXiv:1806.07421, section 4.2.
    Raises ConfigError for a step outside 0 to 1, InputError for maps that do not fit.
    """
    images = question.images
    if not 0 < step <= 1:
        raise ConfigError(f"step is {step}; allowed: a share of the pixels, above 0 and at most 1")
    if importance.shape != (len(images), *images.shape[2:]):
        raise InputError(f"maps are {tuple(importance.shape)}; allowed: {(len(images), *images.shape[2:])}")
    ranks = pixel_ranks(importance, seed)
    pixels = ranks[0].numel() if len(ranks) else 1
    each = math.ceil(step * pixels)
    counts = torch.arange(0, pixels + each, each, device=images.device).clamp(max=pixels)
    blurry = blurred(images)

    def first(image: Tensor, repeat: Tensor) -> Tensor:
        return (ranks[image] < counts[repeat].view(-1, 1, 1))[:, None]

    alone = replace(question, contrast=None)
    deletion = scores_of_variants(
        alone,
        lambda image, repeat: images[image].masked_fill(first(image, repeat), 0.0),
        len(counts),
        probabilities=True,
    )
    insertion = scores_of_variants(
        alone,
        lambda image, repeat: torch.where(first(image, repeat), images[image], blurry[image]),
        len(counts),
        probabilities=True,
    )
    return Curves(counts / pixels, deletion, insertion)


def blurred(images: Tensor) -> Tensor:
    """N×C×H×W under a Gaussian of σ 5 and 11 pixels, whose weights add up to 1; the border is continued.

    >>> blurred(torch.ones(1, 1, 4, 4)).allclose(torch.ones(1, 1, 4, 4))
    True
    """
    if not len(images):
        return images
    places = torch.arange(-_RADIUS, _RADIUS + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-0.5 * (places / _SPREAD) ** 2)
    weights = weights / weights.sum()
    channels = images.shape[1]
    across = weights.expand(channels, 1, 1, -1)
    padded = F.pad(images, (_RADIUS,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, across, groups=channels), across.transpose(2, 3), groups=channels)


def pixel_ranks(importance: Tensor, seed: int = 0) -> Tensor:
    """N×H×W → int64 of the same shape: the place of each pixel, 0 for the largest; equal ones are in random order.

    >>> pixel_ranks(torch.tensor([[[0.1, 0.7], [0.2, 0.5]]]))
    tensor([[[3, 0],
             [2, 1]]])
    """
    values = importance.flatten(1)
    generator = torch.Generator().manual_seed(seed)
    shuffle = torch.randperm(values.shape[1], generator=generator, device="cpu").to(values.device)
    order = shuffle[values[:, shuffle].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(values.shape[1], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(importance.shape)
