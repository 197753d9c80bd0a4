"""A full disk, told in one line: what was needed, what is free."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["disk_full_message", "is_disk_full"]


def is_disk_full(error: Exception) -> bool:
    """Whether `error` says that the disk, or this user's share of it, is full.

    >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(OSError(errno.EIO, "bad disk"))
    (True, False)
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"os error {errno.ENOSPC}" in str(error)  # as libraries written in Rust say it


def disk_full_message(file: Path, needed: int | None, kept: str) -> str:
    """`disk full: FILE needs X bytes, has Y; KEPT; …` for a file of `needed` bytes that could not be written.

    Where nobody knows how many: `disk full: FILE cannot be written, Y bytes are free; …`.
    """
    folder = next((above for above in file.absolute().parents if above.exists()), Path("/"))
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    lack = (
        f"cannot be written, {free:,} bytes are free"
        if needed is None
        else f"needs {needed:,} bytes, has {free:,}"
    )
    return f"disk full: {file} {lack}; {kept}; make room and continue with --resume"
