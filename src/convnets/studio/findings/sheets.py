"""Sheets: many small pictures as one, for lists of images that one request fills."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess, resize_short_side
from convnets.explanation.sample import pixels_of

__all__ = ["MOST_LISTED", "picture_of", "sheet_of"]

MOST_LISTED = 600
"""Images of one sheet or list."""


def sheet_of(
    images: ImageSet, indices: Sequence[int], preprocess: Preprocess, side: int, columns: int
) -> NDArray[np.uint8]:
    """uint8 H×W×3: the images in rows of `columns`, each `side` pixels high and wide, as the network is shown them."""
    rows = max(1, -(-len(indices) // columns))
    sheet = np.full((rows * side, columns * side, 3), 127, np.uint8)
    for place, index in enumerate(indices):
        row, column = divmod(place, columns)
        tile = picture_of(images, index, preprocess, side)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
    return sheet


def picture_of(
    images: ImageSet, index: int, preprocess: Preprocess, side: int | None = None
) -> NDArray[np.uint8]:
    """uint8 H×W×3 of one image as the network is shown it; scaled to `side` pixels where that is given."""
    pixels = pixels_of(images.subset([index]), preprocess)
    fitted = preprocess.fit(preprocess.to_unit(pixels))
    if side is not None and fitted.shape[-1] != side:
        if side % fitted.shape[-1] == 0:  # whole multiples stay sharp
            fitted = fitted.repeat_interleave(side // fitted.shape[-1], 2).repeat_interleave(
                side // fitted.shape[-1], 3
            )
        else:
            fitted = resize_short_side(fitted, side)
    shown = (fitted[0].clamp(0, 1) * 255).round().to(torch.uint8)
    shown = shown.expand(3, -1, -1) if len(shown) == 1 else shown[:3]
    return np.ascontiguousarray(shown.permute(1, 2, 0).numpy())
