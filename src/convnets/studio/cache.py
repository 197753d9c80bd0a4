"""Cache: what was made last, up to so many bytes; what two ask for at once is made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

__all__ = ["Cache"]

Made = TypeVar("Made")


class Cache:
    """Values by key, the least recently used dropped first. Used from several threads.

    >>> cache = Cache(10)
    >>> cache.get("a", lambda: "made", size=lambda _: 6), cache.get("b", lambda: "made", size=lambda _: 6)
    ('made', 'made')
    >>> len(cache)
    1
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(
        self, key: Hashable, make: Callable[[], Made], *, size: Callable[[Made], int] = lambda _: 4096
    ) -> Made:
        """The value of `key`, made where it is not kept; what is larger than the whole cache is kept alone."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found: Made = self._kept[key][0]
                    return found
            try:
                found = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._keep(key, found, size(found))
            return found

    def _keep(self, key: Hashable, value: object, size: int) -> None:
        _, before = self._kept.pop(key, (None, 0))
        self._bytes += size - before
        self._kept[key] = (value, size)
        while self._bytes > self._most and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed
