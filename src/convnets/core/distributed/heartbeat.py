"""Heartbeat: where the processes of one run leave word for each other, and who among them still answers.

It lies beside the collectives, in the store that the processes met through: when a collective fails, because a
process was killed or stands still, it tells which one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

__all__ = ["Heartbeat", "Store", "Unreachable"]

_BEAT = 0.5  # seconds between two signs of life
_SILENCE = 3.0  # seconds without one, after which a process that is asked for is taken for dead
_LONG_SILENCE = 20.0  # the same where nothing else hints at a death
_POLL = 0.05


class Store(Protocol):
    """What is used of `torch.distributed.Store`."""

    def set(self, key: str, value: str, /) -> None: ...

    def get(self, key: str, /) -> bytes: ...

    def check(self, keys: list[str], /) -> bool: ...


class Unreachable(Exception):  # noqa: N818  it names who, the caller makes an error of it
    """Processes that no longer answer, or that ended by an error."""

    def __init__(self, ranks: list[int], message: str, *, said: bool = False) -> None:
        super().__init__(message)
        self.ranks = ranks
        self.said = said
        """Whether they said so themselves."""


class Heartbeat:
    """Notes by name, a sign of life of every process twice a second, and waiting for each other without a limit.

    `connect` gives a connection to the store; two are made, since the one of the signs of life must never wait.
    `where` names this process for the others: its machine and number.
    """

    def __init__(self, connect: Callable[[], Store], rank: int, size: int, where: str) -> None:
        self.rank, self.size = rank, size
        self._store, self._pulse = connect(), connect()
        self._pulse.set(f"beat/{rank}", "0")
        self._pulse.set(f"where/{rank}", where)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="convnets-beat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more signs of life."""
        self._over.set()
        self._thread.join(timeout=5 * _BEAT)

    def post(self, name: str, text: str) -> None:
        """Leave word under this process's rank."""
        self._store.set(f"{name}/{self.rank}", text)

    def read(self, name: str, rank: int) -> str | None:
        """What `rank` left under `name`, or None where it has left nothing yet."""
        key = f"{name}/{rank}"
        return self._store.get(key).decode("utf-8", "replace") if self._store.check([key]) else None

    def meet(self, name: str, text: str = "", patience: float | None = None) -> list[str]:
        """Leave word and wait, however long it takes, until every process has: what each left, by rank.

        Raises Unreachable when one of those that are missing ended by an error, or gave no sign of life for `patience`
        seconds, by default 20.
        """
        self.post(name, text)
        silence = _LONG_SILENCE if patience is None else patience
        return [self._wait_for(name, rank, silence) for rank in range(self.size)]

    def fate_of_others(self) -> Unreachable:
        """Who of the others failed or is silent, after a collective has failed; takes a few seconds."""
        before, until = self._beats(), time.monotonic() + _SILENCE
        while time.monotonic() < until:
            if failed := self._failed():
                return failed
            time.sleep(_POLL)
        now = self._beats()
        others = [rank for rank in range(self.size) if rank != self.rank]
        silent = [rank for rank in others if now.get(rank) == before.get(rank)]
        if not silent:
            return Unreachable(
                [], "every process answers, but one of them did not come to a common step in time"
            )
        return Unreachable(silent, self._gone(silent))

    def is_said_by_lower(self, text: str, seconds: float = 2.0) -> bool:
        """Whether a process of lower rank fails with the same words; waits a little for it to say so."""
        until = time.monotonic() + (seconds if self.rank else 0.0)
        while time.monotonic() < until:
            if any(self.read("error", rank) == text for rank in range(self.rank)):
                return True
            time.sleep(_POLL)
        return False

    def _wait_for(self, name: str, rank: int, patience: float) -> str:
        beat, changed = self._beats([rank]).get(rank), time.monotonic()
        while (text := self.read(name, rank)) is None:
            time.sleep(_POLL)
            if failed := self._failed():
                raise failed
            now = self._beats([rank]).get(rank)
            if now != beat:
                beat, changed = now, time.monotonic()
            elif time.monotonic() - changed > patience:
                raise Unreachable([rank], self._gone([rank]))
        return text

    def _failed(self) -> Unreachable | None:
        found = {rank: self.read("error", rank) for rank in range(self.size) if rank != self.rank}
        failed = [rank for rank, text in found.items() if text is not None]
        if not failed:
            return None
        return Unreachable(failed[:1], f"rank {failed[0]} ended: {found[failed[0]]}", said=True)

    def _gone(self, ranks: list[int]) -> str:
        names = [f"rank {rank} ({self.read('where', rank) or 'never seen'})" for rank in ranks]
        what = "no longer answers: it" if len(ranks) == 1 else "no longer answer: they"
        ends = (
            "was killed, stands still, or its machine is out of reach"
            if len(ranks) == 1
            else ("were killed, stand still, or their machines are out of reach")
        )
        return f"{', '.join(names)} {what} {ends}"

    def _beats(self, ranks: list[int] | None = None) -> dict[int, str | None]:
        return {rank: self.read("beat", rank) for rank in (range(self.size) if ranks is None else ranks)}

    def _beat(self) -> None:
        for beat in _counting():
            if self._over.wait(_BEAT):
                return
            with contextlib.suppress(RuntimeError):  # the store has gone, and with it whoever would read this
                self._pulse.set(f"beat/{self.rank}", str(beat))


def _counting() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number
