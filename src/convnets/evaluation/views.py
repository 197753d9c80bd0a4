"""Views: several crops of one picture, whose probabilities are averaged.

The centre, the four corners, and the mirror image of each: ten views as in Krizhevsky et al. 2012,
section 4.1, who cut 224 pixels out of 256; the same share, 8/7 of the size, is used here for every size.
Two views are the picture as one view sees it, and its mirror image.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError

__all__ = ["VIEWS", "crop_views", "preprocess_for_views"]

VIEWS = (1, 2, 5, 10)
"""Numbers of views: the centre; with its mirror image; with the four corners; with the mirror images of these."""


def crop_views(images: Tensor, size: int, views: int = 1) -> Tensor:
    """N×C×H×W → N×`views`×C×`size`×`size`: centre, top left, right, bottom left, right, then mirrored
    (2: centre and its mirror image).

    Raises ConfigError for views other than 1, 2, 5, 10, and InputError for images smaller than `size`.

    >>> crop_views(torch.zeros(2, 3, 32, 32), size=28, views=10).shape
    torch.Size([2, 10, 3, 28, 28])
    """
    check_views(views)
    if images.ndim != 4 or min(images.shape[-2:]) < size:
        raise InputError(
            f"images have shape {tuple(images.shape)}; allowed: N×C×H×W of at least {size}×{size} pixels"
        )
    down, right = images.shape[-2] - size, images.shape[-1] - size
    corners = [(0, 0), (0, right), (down, 0), (down, right)] if views > 2 else []
    crops = torch.stack(
        [images[..., y : y + size, x : x + size] for y, x in [(down // 2, right // 2), *corners]], dim=1
    )
    return torch.cat([crops, crops.flip(-1)], dim=1) if views in (2, 10) else crops


def preprocess_for_views(preprocess: Preprocess, views: int) -> Preprocess:
    """What pictures go through before `crop_views`: for 5 and 10, squares of at least 8/7 of the size.

    >>> preprocess_for_views(Preprocess.plain(channels=1, size=28), views=10).size
    32
    """
    check_views(views)
    if views <= 2:
        return preprocess
    side = max(preprocess.resize, round(preprocess.size * 8 / 7))
    return replace(preprocess, size=side, resize=side)


def check_views(views: int) -> None:
    """Raise ConfigError unless `views` is one of VIEWS."""
    if views not in VIEWS:
        raise ConfigError(
            f"views is {views}; allowed: 1 (centre), 2 (and its mirror image), 5 (centre and corners), "
            "10 (and their mirror images)"
        )
