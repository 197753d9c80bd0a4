"""The client of `serve.py`: bare HTTP/1.1 over open connections, so that it takes little of what it measures.

Closed loop (`crowd`): each client sends its next request when it has its answer. Open loop (`stream`): requests are
sent at a fixed rate, whatever the server does with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field

BOUNDARY = "convnets-benchmark"


def request_of(host: str, path: str, picture: bytes, kind: str) -> bytes:
    """A POST of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="pictures"; filename="p.{kind.lower()}"\r\n'
    body = (
        f"{head}Content-Type: image/{kind.lower()}\r\n\r\n".encode()
        + picture
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Seen:
    """Seconds of the answers with status 200, of the refused ones, and all statuses."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    """From the first request to the last answer."""

    def add(self, status: int, seconds: float) -> None:
        """One answer."""
        self.statuses[status] += 1
        (self.answered if status == 200 else self.refused).append(seconds)


class Line:
    """A connection that stays open; 0 is the status of a request whose connection broke."""

    def __init__(self, port: int, source: str) -> None:
        self.port, self.source = port, source
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """Send it, read the whole answer, return its status; once more where the server had closed an idle line."""
        was_open = self.streams is not None
        status = await self._ask(request)
        return await self._ask(request) if status == 0 and was_open else status

    async def _ask(self, request: bytes) -> int:
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection(
                    "127.0.0.1", self.port, local_addr=(self.source, 0)
                )
            reader, writer = self.streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
            await reader.readexactly(int(fields[b"content-length"]))
            if fields.get(b"connection", b"").strip() == b"close":
                self.close()
            return int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError, KeyError):
            self.close()
            return 0

    def close(self) -> None:
        """Hang up; the next request opens it again."""
        if self.streams is not None:
            with contextlib.suppress(OSError):
                self.streams[1].close()
        self.streams = None


def sources(count: int) -> list[str]:
    """Addresses of this machine, as of so many clients."""
    return [f"127.0.0.{2 + place % 200}" for place in range(count)]


async def crowd(port: int, request: bytes, clients: int, seconds: float) -> Seen:
    """So many clients, one request after the other each."""
    seen, started = Seen(), time.monotonic()
    end = started + seconds

    async def one(line: Line) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            status = await line.ask(request)
            seen.add(status, time.monotonic() - began)
        line.close()

    await asyncio.gather(*(one(Line(port, source)) for source in sources(clients)))
    seen.seconds = time.monotonic() - started
    return seen


async def stream(
    port: int, request: bytes, rate: float, seconds: float, most: int = 2000
) -> tuple[Seen, int]:
    """`rate` requests a second for so long; also how many were not sent because `most` were under way."""
    seen, free, tasks, unsent = Seen(), [], set(), 0
    lines = [Line(port, source) for source in sources(most)]
    free = list(reversed(lines))

    async def one(line: Line) -> None:
        began = time.monotonic()
        status = await line.ask(request)
        seen.add(status, time.monotonic() - began)
        free.append(line)

    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent < rate * passed:
            sent += 1
            if not free:
                unsent += 1
                continue
            task = asyncio.create_task(one(free.pop()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.002)
    if tasks:
        await asyncio.wait(tasks, timeout=60)
    seen.seconds = time.monotonic() - started
    for line in lines:
        line.close()
    return seen, unsent
