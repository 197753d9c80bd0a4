"""A lock that processes hold on a name, and that ends with the process that holds it.

Why not `filelock`, which PyTorch brings: from version 4 on it leaves the lock file behind in the run or index folder,
and whether another process may remove it safely depends on the version that is installed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_locked", "locked"]

_POLL_SECONDS = 0.05


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file at `path` while inside; wait for as long as another process or thread holds it.

    Without `wait` BlockingIOError is raised when another holds it.

    The operating system lets go of it when its holder dies, however it dies, so a killed process blocks nobody.
    The file is removed at the end.
    """
    handle = _acquire(path, wait=wait)
    try:
        yield
    finally:
        if sys.platform != "win32":  # there an open file cannot be removed; an empty one may stay behind
            path.unlink(missing_ok=True)
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether a living process or another thread holds the lock file at `path`."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _acquire(path: Path, *, wait: bool) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try_lock(handle) and _is_current(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not wait:
            raise BlockingIOError(f"{path} is locked")
        time.sleep(_POLL_SECONDS)


def _is_current(handle: int, path: Path) -> bool:
    """False when the last holder removed the file between our opening and our locking of it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
