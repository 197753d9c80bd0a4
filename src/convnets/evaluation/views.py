"""Views: several crops of one picture, whose probabilities are averaged.

The center, the four corners, and the mirror image of each: ten views as in Krizhevsky et al. 2012,
section 4.1, who cut 224 pixels out of 256; the same share, 8/7 of the size, is used here for every size.
Two views are the picture as one view sees it, and its mirror image. Six are, besides, both moved by one pixel along the
diagonal, each way, at half the weight: for small pictures, as in Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a
single GPU".
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError

__all__ = ["VIEWS", "crop_views", "preprocess_for_views", "view_weights"]

VIEWS = {
    1: "single center crop",
    2: "2 views (center, mirrored)",
    5: "5 views (center, corners)",
    6: "6 views (center, moved by a pixel, mirrored)",
    10: "10 views (center, corners, mirrored)",
}
"""Numbers of views, and what they are."""
_MIRRORED, _CORNERS = (2, 6, 10), (5, 10)


def crop_views(images: Tensor, size: int, views: int = 1) -> Tensor:
    """N×C×H×W → N×`views`×C×`size`×`size`: center, top left, right, bottom left, right, then mirrored
    (2: center and its mirror image; 6: center, one pixel up and left of it, one down and right, then mirrored, where
    pixels at the edge are repeated).

    Raises ConfigError for views other than those of VIEWS, and InputError for images smaller than `size`.

    >>> crop_views(torch.zeros(2, 3, 32, 32), size=28, views=10).shape
    torch.Size([2, 10, 3, 28, 28])
    """
    check_views(views)
    if images.ndim != 4 or min(images.shape[-2:]) < size:
        raise InputError(
            f"images have shape {tuple(images.shape)}; allowed: N×C×H×W of at least {size}×{size} pixels"
        )
    down, right = images.shape[-2] - size, images.shape[-1] - size
    center = (down // 2, right // 2)
    places = [center]
    if views == 6:
        images = F.pad(images, (1, 1, 1, 1), mode="replicate")
        places = [(center[0] + move, center[1] + move) for move in (1, 0, 2)]
    elif views in _CORNERS:
        places += [(0, 0), (0, right), (down, 0), (down, right)]
    crops = torch.stack([images[..., y : y + size, x : x + size] for y, x in places], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1) if views in _MIRRORED else crops


def view_weights(views: int) -> Tensor:
    """What each of `crop_views` counts in the average: float32 of `views`, in all 1.

    >>> view_weights(6)
    tensor([0.2500, 0.1250, 0.1250, 0.2500, 0.1250, 0.1250])
    """
    check_views(views)
    return torch.tensor([1 / 4, 1 / 8, 1 / 8] * 2) if views == 6 else torch.full((views,), 1 / views)


def preprocess_for_views(preprocess: Preprocess, views: int) -> Preprocess:
    """What pictures go through before `crop_views`: for 5 and 10, squares of at least 8/7 of the size.

    >>> preprocess_for_views(Preprocess.plain(channels=1, size=28), views=10).size
    32
    """
    check_views(views)
    if views not in _CORNERS:
        return preprocess
    side = max(preprocess.resize, round(preprocess.size * 8 / 7))
    return replace(preprocess, size=side, resize=side)


def check_views(views: int) -> None:
    """Raise ConfigError unless `views` is one of VIEWS."""
    if views not in VIEWS:
        raise ConfigError(
            f"views is {views}; allowed: 1 (center), 2 (and its mirror image), 5 (center and corners), "
            "6 (center, moved by a pixel, mirrored), 10 (center, corners, mirrored)"
        )
