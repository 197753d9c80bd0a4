"""From any of Pillow's modes to 8-bit grey (L) or RGB, which is all that networks see."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["to_grey_or_rgb"]

_GREY = ("1", "L", "LA", "La")
_ROWS = 64
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def to_grey_or_rgb(picture: Image.Image) -> Image.Image:
    """A loaded picture in mode L or RGB.

    Transparent pixels are laid on white. 16-bit grey is scaled by 255/65535 and rounded, where Pillow's own
    conversion would clip at 255; floats in [0, 1] by 255. Raises ValueError for numbers outside those ranges.

    >>> to_grey_or_rgb(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if picture.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _scaled(picture)
    if picture.has_transparency_data:
        return _on_white(picture)
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode in _GREY else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    layer = picture.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("L" if picture.mode in _GREY else "RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    """Grey of more than 8 bits: one scale for every picture of a mode, so that brightness keeps its meaning."""
    values = np.asarray(picture)
    top = 1.0 if picture.mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):
        raise ValueError(f"mode {picture.mode} with values from {low:g} to {high:g}; allowed: 0 to {top:g}")
    scaled = np.empty(values.shape, dtype=np.uint8)
    for row in range(0, len(values), _ROWS):  # a few rows at a time: float64 of all would take eight times as much
        block = values[row : row + _ROWS].astype(np.float64)
        scaled[row : row + _ROWS] = np.rint(block * (255.0 / top))
    return Image.fromarray(scaled)
