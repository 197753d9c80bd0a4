"""Open one picture of any kind: upright, gray or RGB, 8 bits; whatever is wrong becomes one ImageDecodeError."""

from __future__ import annotations

import io
import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from convnets.data.images.content_kind import describe_content
from convnets.data.images.modes import to_gray_or_rgb
from convnets.data.images.pillow_warnings import quiet_libtiff, quiet_pillow
from convnets.errors import ImageDecodeError

__all__ = [
    "FORMATS",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "DecodedPicture",
    "decode_picture",
    "open_picture",
    "refuse_huge",
]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM")
"""Pillow's names of the formats that are read; no other plugin sees a file."""

MAX_PICTURE_BYTES = 1 << 28
"""Largest picture file that is read from a folder or archive, in bytes (256 MiB): more is a bomb or not a picture."""

MAX_PIXELS = 64_000_000
"""Largest picture that is decoded, in pixels: 64 megapixels take 192 MB as RGB."""

_ALLOWED = "allowed: JPEG, PNG, GIF, BMP, TIFF, WebP, PPM"
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.3, table 6: what was done to the picture → how to undo it
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedPicture:
    """A picture, and what its file says of itself."""

    picture: Image.Image
    """Upright, in mode L (gray) or RGB, 8 bits a channel."""
    format: str
    """One of FORMATS, or Pillow's name of a variant of it, such as MPO."""
    frames: int
    """More than 1 in an animation, of which the first is taken."""


def open_picture(source: Path | bytes | BinaryIO, name: str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one picture: its first frame, turned upright by its EXIF tag, in mode L (gray) or RGB, 8 bits a channel.

    Transparent pixels are laid on white; 16-bit values are scaled, not clipped; CMYK and palettes become RGB.
    `name` is for messages. The size is read from the header before anything is decoded. Raises ImageDecodeError
    for what cannot be decoded, or has more than `max_pixels` pixels.

    >>> file = io.BytesIO()
    >>> Image.new("CMYK", (4, 2)).save(file, "JPEG")
    >>> picture = open_picture(file.getvalue(), "example.jpg")
    >>> picture.mode, picture.size
    ('RGB', (4, 2))
    """
    decoded = decode_picture(source, name, max_pixels=max_pixels)
    if decoded.frames > 1:
        _logger.warning("%s: animated, %d frames; the first one is used", name, decoded.frames)
    return decoded.picture


def decode_picture(
    source: Path | bytes | BinaryIO, name: str, *, max_pixels: int = MAX_PIXELS
) -> DecodedPicture:
    """As `open_picture`, with what else the file says of itself; nothing is logged. Raises ImageDecodeError."""
    try:
        with _opened(source) as file, quiet_pillow(), Image.open(file, formats=FORMATS) as picture:
            _check_size(picture.size, name, max_pixels)
            if picture.format == "TIFF":
                quiet_libtiff()
            frames = getattr(picture, "n_frames", 1) if picture.format in ("GIF", "PNG", "WEBP") else 1
            format_ = str(picture.format)
            picture.load()
            upright = _upright(to_gray_or_rgb(picture), _orientation(picture))
            return DecodedPicture(upright, format_, int(frames))
    except ImageDecodeError:
        raise
    except Exception as error:  # noqa: BLE001  Pillow's readers raise almost anything on damaged files
        reason = _reason(error, source, max_pixels)
        raise ImageDecodeError(f"{name}: {reason}; replace the file or remove it") from None


def refuse_huge(size: int, name: str) -> None:
    """Raise ImageDecodeError for a picture file of more than MAX_PICTURE_BYTES bytes.

    >>> refuse_huge(1 << 20, "cat.jpg")
    """
    if size > MAX_PICTURE_BYTES:
        allowed = f"allowed for a picture file: {MAX_PICTURE_BYTES:,}"
        raise ImageDecodeError(f"{name}: {size:,} bytes; {allowed}; make it smaller or remove it")


def _opened(source: Path | bytes | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, Path):
        return source.open("rb")
    return nullcontext(io.BytesIO(source) if isinstance(source, bytes) else source)


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        found = f"{width} × {height} = {width * height:,} pixels"
        raise ImageDecodeError(f"{name}: {found}; allowed: {max_pixels:,}; make the picture smaller")


def _orientation(picture: Image.Image) -> int:
    if picture.format == "JPEG" and not picture.info.keys() & {"exif", "xmp"}:
        return 1  # the most common case, and looking for other sources of EXIF costs as much as decoding a thumbnail
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001  damaged EXIF raises almost anything; the pixels are fine without it
        return 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _reason(error: Exception, source: Path | bytes | BinaryIO, max_pixels: int) -> str:
    """What is wrong with the file, in words; Pillow's own where it knows more."""
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {max_pixels:,} pixels, which is the most that is decoded"
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, UnidentifiedImageError)
    ):
        return f"cannot be read ({error.strerror})"
    if isinstance(error, UnidentifiedImageError):
        return f"not a picture, {describe_content(_start(source))}; {_ALLOWED}"
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return f"damaged picture ({text})"


def _start(source: Path | bytes | BinaryIO) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(1 << 20)
    source.seek(0)
    return source.read(1 << 20)
