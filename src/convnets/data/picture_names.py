"""Which files are pictures, and how a file's name is shown."""

from __future__ import annotations

import os

__all__ = ["PICTURE_SUFFIXES", "is_clutter", "is_picture", "printable"]

PICTURE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    )
)
"""Lower-case endings of the files that are taken for pictures."""

_CLUTTER = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does.

    >>> is_picture("cat.JPG"), is_picture("labels.csv")
    (True, False)
    """
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122  a name, and there may be millions


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden or left behind by a desktop: passed over without being counted.

    >>> is_clutter(".DS_Store"), is_clutter("__MACOSX"), is_clutter("cats")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def printable(name: str) -> str:
    r"""A file name that any terminal, file and JSON takes: bytes beyond UTF-8 and control characters escaped.

    >>> printable("b\udce4r.jpg")
    'b\\xe4r.jpg'
    """
    if name.isprintable():  # false for surrogates too
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
