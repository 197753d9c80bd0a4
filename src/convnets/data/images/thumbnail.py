"""Thumbnails: pictures brought near to one size to be looked at, and as HTML that carries them."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from convnets.core.html.kit import Markup, png

__all__ = ["picture_html", "pixels_html", "png_bytes", "thumbnail"]

_LARGEST, _SMALL = 160, 100  # pixels


def thumbnail(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its long side at most `side` pixels: small ones are enlarged by whole pixels.

    >>> thumbnail(Image.new("L", (8, 4)), 30).size, thumbnail(Image.new("RGB", (300, 600)), 30).size
    ((24, 12), (15, 30))
    """
    if max(picture.size) > side:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        return small
    times = side // max(picture.size)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def png_bytes(picture: Image.Image) -> bytes:
    """PNG as small as looking allows: gray in 8 bits, color in 256 colors; transparent pixels stay so."""
    content = io.BytesIO()
    is_gray = picture.mode in ("L", "LA")
    shown = picture if is_gray else picture.convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE)
    shown.save(content, "PNG", optimize=True)
    return content.getvalue()


def picture_html(picture: Image.Image, label: str, side: int) -> Markup:
    """An `<img>` of the picture's thumbnail.

    >>> str(picture_html(Image.new("L", (8, 8)), "black", 16))[:40]
    '<img width="16" height="16" alt="black" '
    """
    small = thumbnail(picture, side)
    return png(png_bytes(small), label, *small.size)


def pixels_html(pixels: Tensor, label: str) -> Markup:
    """uint8 C×H×W as an `<img>`: reduced to 160 pixels where it is larger, and marked `small` up to 100."""
    assert pixels.dtype == torch.uint8, pixels.dtype
    assert pixels.ndim == 3, pixels.shape
    array = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    kind = "small" if max(image.size) <= _SMALL else ""
    image.thumbnail((_LARGEST, _LARGEST))
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return png(content.getvalue(), label, kind=kind)
