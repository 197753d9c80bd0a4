"""From any of Pillow's modes to 8-bit gray (L) or RGB, which is all that networks see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

__all__ = ["to_gray_or_rgb"]

_GRAY = ("1", "L", "LA", "La")
_STRIP_PIXELS = 1 << 21
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


def to_gray_or_rgb(picture: Image.Image) -> Image.Image:
    """A loaded picture in mode L or RGB.

    Transparent pixels are laid on white. 16-bit gray is scaled by 255/65535 and rounded, where Pillow's own
    conversion would clip at 255; floats in [0, 1] by 255. Raises ValueError for numbers outside those ranges.

    >>> to_gray_or_rgb(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if picture.mode in (*_SIXTEEN_BITS, "I", "F"):
        return _scaled(picture)
    if picture.has_transparency_data:
        return _on_white(picture)
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode in _GRAY else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    shown = Image.new("L" if picture.mode in _GRAY else "RGB", picture.size)
    for top, below in _strips(picture.size):
        box = (0, top, picture.width, below)
        layer = picture.crop(box).convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        shown.paste(Image.alpha_composite(white, layer).convert(shown.mode), box)
    return shown


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First row and end of strips of a picture: the workings of all of a large one would take many times its memory."""
    width, height = size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _scaled(picture: Image.Image) -> Image.Image:
    """Gray of more than 8 bits: one scale for every picture of a mode, so that brightness keeps its meaning."""
    values = np.asarray(picture)
    top_value = 1.0 if picture.mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top_value):
        raise ValueError(
            f"mode {picture.mode} with values from {low:g} to {high:g}; allowed: 0 to {top_value:g}"
        )
    scaled = np.empty(values.shape, dtype=np.uint8)
    for top, below in _strips(picture.size):
        scaled[top:below] = np.rint(values[top:below].astype(np.float64) * (255.0 / top_value))
    return Image.fromarray(scaled)
