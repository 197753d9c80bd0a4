"""Keep Pillow's warnings about damaged metadata from reaching the user: a picture is usable or an error."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["quiet_pillow"]

_lock = threading.Lock()
_users = 0
_filters = ExitStack()


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
