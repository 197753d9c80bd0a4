"""Thumbnails: pictures brought near to one size to be looked at, and as HTML that carries them."""

from __future__ import annotations

import io

from PIL import Image

from convnets.core.display.notebook_html import png

__all__ = ["picture_html", "png_bytes", "thumbnail"]


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
    """PNG as small as looking allows: grey in 8 bits, colour in 256 colours; transparent pixels stay so."""
    content = io.BytesIO()
    is_grey = picture.mode in ("L", "LA")
    shown = picture if is_grey else picture.convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE)
    shown.save(content, "PNG", optimize=True)
    return content.getvalue()


def picture_html(picture: Image.Image, label: str, side: int) -> str:
    """An `<img>` of the picture's thumbnail.

    >>> picture_html(Image.new("L", (8, 8)), "black", 16)[:40]
    '<img width="16" height="16" alt="black" '
    """
    small = thumbnail(picture, side)
    return png(png_bytes(small), label, *small.size)
