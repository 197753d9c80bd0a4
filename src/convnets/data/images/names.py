"""Names of files: which are pictures, what folders they lie in, and how they are shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = [
    "PICTURE_SUFFIXES",
    "folders_of",
    "is_clutter",
    "is_picture",
    "passed_over",
    "printable",
    "shortened",
]

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

_LONGEST_SHOWN = 200
_CLUTTER = frozenset(
    (
        "__macosx",  # macOS, in archives
        "icon\r",
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",  # Synology
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "lost+found",  # Linux
        "__pycache__",
    )
)


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does.

    >>> is_picture("cat.JPG"), is_picture("labels.csv")
    (True, False)
    """
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122  a name, and there may be millions


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by a desktop, a file system or a storage device.

    >>> is_clutter(".DS_Store"), is_clutter("@eaDir"), is_clutter("cats")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def passed_over(ignored: int, clutter: int) -> tuple[str, ...]:
    """What was not taken for a picture, in one line for people; empty where there was nothing.

    >>> passed_over(2, 1)
    ('passed over: 2 files that are no pictures by their names, 1 hidden or system file or folder',)
    """
    kinds = (
        (ignored, "file that is no picture by its name", "files that are no pictures by their names"),
        (clutter, "hidden or system file or folder", "hidden or system files or folders"),
    )
    found = [f"{count:,} {one if count == 1 else many}" for count, one, many in kinds if count]
    return (f"passed over: {', '.join(found)}",) if found else ()


def printable(name: str) -> str:
    r"""A file name that any terminal, file and JSON takes: bytes beyond UTF-8 and control characters escaped.

    >>> printable("b\udce4r.jpg")
    'b\\xe4r.jpg'
    """
    if name.isprintable():  # false for surrogates too
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(name: str) -> str:
    """As `printable`, for messages: an archive may hold names of any length.

    >>> len(shortened("x" * 5000))
    200
    """
    text = printable(name)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder that holds one of the `paths`, at any depth.

    >>> sorted(folders_of(["a/b/1.jpg", "c/2.jpg"]))
    ['.', 'a', 'a/b', 'c']
    """
    folders = {path.rpartition("/")[0] for path in paths}
    return folders | {str(parent) for folder in folders for parent in PurePosixPath(folder).parents}
