"""Where the members of an archive lead to: never out of the folder that it is unpacked to or read as."""

from __future__ import annotations

from convnets.data.images.names import shortened
from convnets.errors import DataError

__all__ = ["check_path"]


def check_path(name: str, archive: str) -> None:
    """Raise DataError where the member `name` of `archive` is absolute, has a drive, or goes up by `..`.

    >>> check_path("cats/1.jpg", "a.zip")
    >>> check_path("../1.jpg", "a.zip")
    Traceback (most recent call last):
        ...
    convnets.errors.DataError: a.zip: member '../1.jpg' leads out of the archive; allowed: relative paths without '..'
    """
    parts = name.replace("\\", "/").rstrip("/").split("/")
    drive = len(parts[0]) == 2 and parts[0][1] == ":"
    if ".." in parts or parts[0] == "" or drive or "\0" in name:
        raise DataError(
            f"{archive}: member {shortened(name)!r} leads out of the archive; allowed: relative paths without '..'"
        )
