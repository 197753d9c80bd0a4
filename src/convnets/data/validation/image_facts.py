"""What one picture's file is: its content and its pixels as digests, size, color, or why it cannot be read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convnets.data.images.opening import decode_picture
from convnets.errors import ImageDecodeError

__all__ = ["PictureFacts", "facts_of_file", "facts_of_pixels"]

_DIGEST_BYTES = 16  # of BLAKE2b: two of a billion different pictures agree with a chance of 10⁻²¹


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Facts about one picture."""

    content: bytes
    """Digest of the file, or of the pixels of a picture that is in memory."""
    pixels: bytes = b""
    """Digest of size and pixels as they are shown: of the same picture in PNG and BMP it is the same."""
    width: int = 0
    """In pixels, upright."""
    height: int = 0
    gray: bool = False
    """Whether it is stored in one channel."""
    colorless: bool = False
    """Whether it is stored in three channels that are equal everywhere."""
    format: str = ""
    frames: int = 1
    error: str | None = None
    """Why it cannot be decoded; then the facts about pixels are empty."""


def facts_of_file(content: bytes, name: str) -> PictureFacts:
    """Decode a picture's file, or say why that fails.

    >>> facts_of_file(b"", "cat.jpg").error
    'cat.jpg: not a picture, it is empty; allowed: JPEG, PNG, GIF, BMP, TIFF, WebP, PPM; replace the file or remove it'
    """
    digest = _digest(content)
    try:
        decoded = decode_picture(content, name)
    except ImageDecodeError as error:
        return PictureFacts(digest, error=str(error))
    shown = facts_of_pixels(np.asarray(decoded.picture))
    return PictureFacts(
        digest,
        shown.pixels,
        shown.width,
        shown.height,
        shown.gray,
        shown.colorless,
        decoded.format,
        decoded.frames,
    )


def facts_of_pixels(pixels: NDArray[np.uint8]) -> PictureFacts:
    """Facts of uint8 H×W or H×W×3.

    >>> gray = np.zeros((2, 3), np.uint8)
    >>> color = np.zeros((2, 3, 3), np.uint8)
    >>> facts_of_pixels(gray).pixels == facts_of_pixels(color).pixels, facts_of_pixels(color).colorless
    (True, True)
    """
    gray = pixels.ndim == 2
    colorless = not gray and _equal_channels(pixels)
    shown = pixels[..., 0] if colorless else pixels
    height, width = pixels.shape[:2]
    digest = _digest(np.ascontiguousarray(shown).data, f"{shown.shape}".encode())
    return PictureFacts(digest, digest, width, height, gray, colorless)


def _equal_channels(pixels: NDArray[np.uint8]) -> bool:
    first = pixels[: 1 + len(pixels) // 16]  # most color pictures give themselves away in their first rows
    return all(
        bool((part[..., 0] == part[..., 1]).all() and (part[..., 1] == part[..., 2]).all())
        for part in (first, pixels)
    )


def _digest(content: bytes | memoryview, salt: bytes = b"") -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=salt[:64]).digest()
