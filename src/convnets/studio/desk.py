"""Desk: where the views' work is done: quick things beside long ones, and what nobody waits for is dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from convnets.serving.http.refusal import Refusal

__all__ = ["Desk", "Wanted"]

Made = TypeVar("Made")
_LOOK_SECONDS = 0.1


@dataclass(eq=False)
class Wanted:
    """Whether somebody still waits for an answer, and how far the work on it is."""

    _gone: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise Refusal 499 where nobody waits any more: call it now and then in long work."""
        if self._gone.is_set():
            raise Refusal(499, "nobody waits for this answer any more")

    def progress(self, *_: Any) -> None:
        """The same, as a progress callback of whatever form."""
        self.check()

    def drop(self) -> None:
        """Nobody waits any more."""
        self._gone.set()


class Desk:
    """Two lanes of one thread each, so that a click is answered while a data set is searched.

    A request names a slot in its header X-Slot, such as `maps of page 3`; a newer one of the same slot takes the place
    of those that wait. A request whose client has gone is not begun, and long work ends at its next `Wanted.check`.
    """

    def __init__(self, most_waiting: int = 64) -> None:
        self._lanes = {name: ThreadPoolExecutor(1, f"studio-{name}") for name in ("quick", "long")}
        self._waiting, self._most = 0, most_waiting
        self._newest: dict[str, Wanted] = {}

    async def quick(self, request: Request, work: Callable[[Wanted], Made]) -> Made:
        """Work of well under a second."""
        return await self._do("quick", request, work)

    async def long(self, request: Request, work: Callable[[Wanted], Made]) -> Made:
        """Work that goes over many images; give `wanted.progress` to what takes a progress."""
        return await self._do("long", request, work)

    def close(self) -> None:
        """Begin nothing more; work under way ends at its next check."""
        for wanted in self._newest.values():
            wanted.drop()
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)

    async def _do(self, lane: str, request: Request, work: Callable[[Wanted], Made]) -> Made:
        if self._waiting >= self._most:
            raise Refusal(
                503, f"{self._waiting} requests wait already; try again in a moment", {"Retry-After": "1"}
            )
        wanted, slot = Wanted(), request.headers.get("x-slot", "")[:100]
        if slot:
            if before := self._newest.get(slot):
                before.drop()
            self._newest[slot] = wanted
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._lanes[lane], _begin, wanted, work)
        try:
            while True:
                done, _ = await asyncio.wait({future}, timeout=_LOOK_SECONDS)
                if done:
                    return future.result()
                if await request.is_disconnected():
                    wanted.drop()
        finally:
            self._waiting -= 1
            wanted.drop()
            if self._newest.get(slot) is wanted:
                del self._newest[slot]


def _begin(wanted: Wanted, work: Callable[[Wanted], Made]) -> Made:
    wanted.check()
    return work(wanted)
