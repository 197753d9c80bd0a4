"""Keep Pillow's warnings about damaged metadata from reaching the user: a picture is usable or an error."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import PIL

__all__ = ["quiet_libtiff", "quiet_pillow"]

# Pillow logs some faults beside raising them; without a handler Python would print them to standard error
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.Lock()
_users = 0
_filters = ExitStack()


@cache
def quiet_libtiff() -> bool:
    """Keep libtiff, which Pillow's wheels bring along, from writing to standard error; whether that worked.

    It writes a line of its own about each fault, beside the error that Pillow raises.
    """
    for library in sorted((Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff-*.so*")):
        try:
            tiff = ctypes.CDLL(str(library))  # loaded already: this is the very same one
            for handler in (tiff.TIFFSetErrorHandler, tiff.TIFFSetWarningHandler):
                handler.restype = ctypes.c_void_p
                handler(ctypes.c_void_p(None))
        except (OSError, AttributeError):
            continue
        return True
    return False


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore the warnings that Pillow's own modules give while inside.

    Python keeps one list of filters for the whole process, so threads that each saved and restored it would undo
    one another's: the first to enter saves it and the last to leave restores it.
    """
    global _users
    with _lock:
        if _users == 0:
            _filters.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _filters.close()
