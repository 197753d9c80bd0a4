"""The C library's allocator, told to keep the memory of one training step for the next."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

__all__ = ["keep_freed_memory", "release_freed_memory"]

# mallopt's parameters, from <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 256 << 20  # bytes asked for beyond what is needed, so that the heap grows in few steps


@cache
def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of giving it back to the kernel; returns whether that worked.

    By default glibc maps every block above 32 MiB afresh and unmaps it when it is freed, so each step of a
    training run faults all of its activations in again, page by page. The settings hold for the process; call
    it before the work that allocates. On other C libraries it does nothing and returns False.

    >>> keep_freed_memory() in (True, False)
    True
    """
    library = _glibc()
    if library is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD))
    return all(library.mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)


def release_freed_memory() -> None:
    """Give what is free back to the kernel now, such as after a training run."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(0))


@cache
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)
