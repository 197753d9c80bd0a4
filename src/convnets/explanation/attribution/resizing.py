"""Resizing: what a method gives, by channel or by the layer's positions, as one number for each pixel of the image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["at_image_size", "importance_at_image_size"]


def at_image_size(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """N×C×h×w → N×H×W: the sum over channels, enlarged bilinearly; signs are kept, and nothing is normalized.

    >>> import torch
    >>> at_image_size(torch.ones(1, 1, 2, 2), (4, 4)).shape, at_image_size(torch.ones(1, 3, 4, 4), (4, 4)).max()
    (torch.Size([1, 4, 4]), tensor(3.))
    """
    summed = maps.sum(1, keepdim=True)
    if tuple(maps.shape[2:]) == size or not len(maps):
        return summed.reshape(len(maps), *size) if len(maps) else maps.new_empty(0, *size)
    return F.interpolate(summed, size=size, mode="bilinear", align_corners=False)[:, 0]


def importance_at_image_size(maps: Tensor, size: tuple[int, int], *, by_magnitude: bool) -> Tensor:
    """N×C×h×w → N×H×W, by which pixels are ranked: `at_image_size`, or the largest |value| of the channels.

    The latter is for methods whose sign says brighter or darker, not for or against (Simonyan et al. 2013).
    """
    return at_image_size(maps.abs().amax(1, keepdim=True) if by_magnitude else maps, size)
