"""Thread balance: how many threads a network gets while pictures are decoded on the same cores.

As long as the network waits for pictures, one thread is best: more would only take cores from the decoders, and
threads that wait for each other there cost more than they bring.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch

__all__ = ["ThreadBalance"]

_Item = TypeVar("_Item")
_FIRST, _LAST = 2, 4  # batches by which it is decided; in the first one everything is still being set up
_WAITS = 0.1  # share of the time spent waiting from which the decoders are the slower side


class ThreadBalance:
    """One thread at first; all of them when the decoders turn out to be quicker than the network.

    With one decoder, or pictures that are in memory (`decoders=1`), nothing is changed.

    >>> balance = ThreadBalance(decoders=2)
    >>> for number in balance.waiting_for([1, 2]):
    ...     with balance.working():
    ...         print(number, torch.get_num_threads())
    1 1
    2 1
    """

    def __init__(self, decoders: int) -> None:
        self.single = decoders > 1
        self._batches, self._waited, self._worked = 0, 0.0, 0.0

    def waiting_for(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """The items, with the time noted that each lets wait."""
        source, nothing = iter(items), object()
        while True:
            started = time.perf_counter()
            item = next(source, nothing)
            if item is nothing:
                return
            self._batches += 1
            if self._batches >= _FIRST:
                self._waited += time.perf_counter() - started
            yield item  # type: ignore[misc]  # the one that is not an item has returned

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """What the network does with an item, on the number of threads that suits."""
        before, started = torch.get_num_threads(), time.perf_counter()
        if self.single and before > 1:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)
        if self._batches >= _FIRST:
            self._worked += time.perf_counter() - started
        if self._batches == _LAST and self._waited < _WAITS * (self._waited + self._worked):
            self.single = False
