"""Mixing: two images become one, and so do their targets. mixup and CutMix.

Images are floating-point N×C×H×W, targets N×K probabilities (one-hot, or smoothed). The partner of an image
is drawn from the same batch. N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from convnets.data.augmentation.erasing import inside_boxes
from convnets.data.augmentation.random_params import check_float_images, check_number, draw_beta, draw_uniform
from convnets.errors import ConfigError, InputError

__all__ = ["CutMix", "MixOneOf", "Mixing", "Mixup", "choose_mixing", "one_hot"]

# Beta(alpha, alpha) is 0 or 1 in float32 below, and 0.5 above
_SMALLEST_ALPHA, _LARGEST_ALPHA = 1e-3, 1e6


class Mixing(Protocol):
    """Mixes the images of a batch, and their targets with them; a pure function of its arguments."""

    def __call__(
        self, images: Tensor, targets: Tensor, generator: torch.Generator, /
    ) -> tuple[Tensor, Tensor]:
        """Float N×C×H×W and float N×K → new ones of the same shapes."""
        ...


@dataclass(frozen=True)
class Mixup:
    """λ · image + (1 − λ) · partner, and the same of the targets; λ from Beta(alpha, alpha).

    Zhang et al. 2018, "mixup: beyond empirical risk minimization". Each image has its own λ (the paper's code
    draws one for a batch).

    >>> images, targets = torch.rand(4, 3, 8, 8), torch.eye(4)
    >>> mixed, soft = Mixup(alpha=0.2)(images, targets, torch.Generator().manual_seed(0))
    >>> mixed.shape, soft.sum(1)
    (torch.Size([4, 3, 8, 8]), tensor([1., 1., 1., 1.]))
    """

    alpha: float = 0.2
    """Strength, from 0.001 to 1e6: near 0 keeps one of the two, 1 makes λ uniform, more nears equal parts."""

    def __post_init__(self) -> None:
        check_number("Mixup alpha", self.alpha, _SMALLEST_ALPHA, _LARGEST_ALPHA)

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Float N×C×H×W and float N×K → new ones of the same shapes."""
        _check_batch(images, targets, "Mixup")
        share = draw_beta(images, self.alpha, generator)
        partner = _partners(images, generator)
        mixed = images[partner].lerp_(images, share.to(images.dtype).expand_as(images))
        return mixed, _mix_targets(targets, partner, share)


@dataclass(frozen=True)
class CutMix:
    """Paste a rectangle of a partner; the targets are mixed by the share of the pixels.

    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable features":
    sides √(1 − λ) of the image's to the nearest pixel, λ from Beta(alpha, alpha), the center anywhere, cut off
    at the border. The targets follow the pixels that are really there. Each image has its own rectangle (the
    paper's code draws one for a batch).

    >>> images, targets = torch.rand(4, 3, 8, 8), torch.eye(4)
    >>> mixed, soft = CutMix(alpha=1.0)(images, targets, torch.Generator().manual_seed(0))
    >>> mixed.shape, soft.sum(1)
    (torch.Size([4, 3, 8, 8]), tensor([1., 1., 1., 1.]))
    """

    alpha: float = 1.0
    """Strength, from 0.001 to 1e6: 1, as in the paper, makes every area equally likely."""

    def __post_init__(self) -> None:
        check_number("CutMix alpha", self.alpha, _SMALLEST_ALPHA, _LARGEST_ALPHA)

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Float N×C×H×W and float N×K → new ones of the same shapes."""
        _check_batch(images, targets, "CutMix")
        side = (1 - draw_beta(images, self.alpha, generator)).sqrt().flatten()
        partner = _partners(images, generator)
        edges = [_span(images, axis, side, generator) for axis in (-2, -1)]
        pasted = inside_boxes(images, edges[0][0], edges[1][0], edges[0][1], edges[1][1])
        kept = 1 - pasted.float().mean((1, 2, 3), keepdim=True)
        return torch.where(pasted, images[partner], images), _mix_targets(targets, partner, kept)


@dataclass(frozen=True)
class MixOneOf:
    """One of several mixings for each batch, all equally likely.

    >>> MixOneOf((Mixup(0.2), CutMix(1.0)))
    MixOneOf(mixings=(Mixup(alpha=0.2), CutMix(alpha=1.0)))
    """

    mixings: Sequence[Mixing]
    """At least one."""

    def __post_init__(self) -> None:
        if not self.mixings:
            raise ConfigError("MixOneOf got no mixings; give at least one, such as Mixup(0.2)")

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Float N×C×H×W and float N×K → new ones of the same shapes."""
        index = int(torch.randint(len(self.mixings), (), generator=generator, device=generator.device))
        return self.mixings[index](images, targets, generator)


def choose_mixing(mixup: float = 0.0, cutmix: float = 0.0) -> Mixing | None:
    """The mixing of two strengths, where 0 leaves one out: None, Mixup, CutMix, or one of both for each
    batch.

    Raises ConfigError for a strength that is negative, not finite, or out of range.

    >>> choose_mixing(mixup=0.2)
    Mixup(alpha=0.2)
    >>> choose_mixing() is None
    True
    """
    chosen: list[Mixing] = []
    if mixup != 0:
        chosen.append(Mixup(mixup))
    if cutmix != 0:
        chosen.append(CutMix(cutmix))
    return MixOneOf(tuple(chosen)) if len(chosen) > 1 else next(iter(chosen), None)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """int64 N labels from 0 to `classes` − 1 → float32 N×K targets: 1 for the label, 0 elsewhere.

    >>> one_hot(torch.tensor([2, 0]), 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return torch.nn.functional.one_hot(labels, classes).to(torch.float32)


def _partners(images: Tensor, generator: torch.Generator) -> Tensor:
    """A permutation of the batch: int64 N. An image may be its own partner."""
    return torch.randperm(len(images), generator=generator, device=generator.device).to(images.device)


def _span(images: Tensor, axis: int, side: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """First pixel, and the one after the last, of each rectangle along an axis; `side` is a share of it."""
    pixels = images.shape[axis]
    length = (side * pixels).round()
    center = draw_uniform(images, 0.0, 1.0, generator).flatten() * pixels
    start = (center - length / 2 + 0.5).floor()  # center in the middle of a pixel or not: no side is favored
    return start.clamp(0, pixels), (start + length).clamp(0, pixels)


def _mix_targets(targets: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """share · own + (1 − share) · the partner's; share is N×1×1×1."""
    return targets[partner].lerp_(targets, share.view(-1, 1).to(targets.dtype).expand_as(targets))


def _check_batch(images: Tensor, targets: Tensor, what: str) -> None:
    check_float_images(images, what)
    if targets.ndim != 2 or len(targets) != len(images) or not targets.is_floating_point():
        raise InputError(
            f"{what} got {targets.dtype} targets of shape {tuple(targets.shape)} for {len(images)} images; "
            "allowed: float N×K, such as one_hot(labels, K)"
        )
