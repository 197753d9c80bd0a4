"""Batcher: requests that wait together go through the network together.

Nothing waits for company: a batch is what came while the one before was computed, so a lone request is answered at
once and a crowd in large batches. The queue is bounded by pictures and by bytes, for all and for each client.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from convnets.errors import ConvnetsError
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal, refusal_of, too_late

__all__ = ["Batcher", "Job"]

Model = TypeVar("Model")
Compute = Callable[[Model, list[Tensor]], Tensor]
_RETRY = {"Retry-After": "1"}


@dataclass(eq=False)
class Job(Generic[Model]):
    """The pictures of one request, on their way."""

    model: Model
    """The one that was served when the request came: it answers, also when another takes its place meanwhile."""
    pictures: Sequence[Tensor]
    deadline: float
    """By `time.monotonic`, which no change of the clock moves."""
    rows: int
    """Of the answer: one for each picture; of a table's rows there are several to a place."""
    answer: asyncio.Future[Tensor] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Model]):
    """Bounded queue before one worker.

    Args:
        compute: (model, pictures) → one row for each picture, or as many as each stands for; runs in `worker`, never
            twice at a time.
        limits: bounds of queue and batch.
        worker: an executor of one thread.
        watch: called with (pictures, seconds) after each batch.
    """

    def __init__(
        self,
        compute: Compute[Model],
        limits: Limits,
        worker: Executor,
        watch: Callable[[int, float], None] = lambda _pictures, _seconds: None,
    ) -> None:
        self._compute, self.limits, self._worker, self._watch = compute, limits, worker, watch
        self._waiting: deque[Job[Model]] = deque()
        self._came = asyncio.Event()
        self._clients: Counter[str] = Counter()
        self.pictures = self.bytes = 0
        self.draining = False

    def check_room(self, client: str, pictures: int, size: int) -> None:
        """Raise Refusal 429 or 503 where the queue has no place for so many pictures of so many bytes."""
        limits = self.limits
        if self.draining:
            raise Refusal(
                503, "the server is shutting down; ask another one", {**_RETRY, "Connection": "close"}
            )
        if self._clients[client] + pictures > limits.client_pictures:
            line = (
                f"{self._clients[client]} examples of yours wait already; allowed: {limits.client_pictures}"
            )
            raise Refusal(429, line, _RETRY)
        if self.pictures + pictures > limits.queue_pictures or self.bytes + size > limits.queue_bytes:
            line = f"{self.pictures} examples wait already; allowed: {limits.queue_pictures}; try again in a second"
            raise Refusal(503, line, _RETRY)

    @asynccontextmanager
    async def room(self, client: str, pictures: int, size: int) -> AsyncIterator[None]:
        """A place in the queue for as long as the request lasts; raises what `check_room` raises."""
        self.check_room(client, pictures, size)
        self._take(client, pictures, size)
        try:
            yield
        finally:
            self._take(client, -pictures, -size)

    def _take(self, client: str, pictures: int, size: int) -> None:
        self.pictures, self.bytes = self.pictures + pictures, self.bytes + size
        self._clients[client] += pictures
        if self._clients[client] <= 0:
            del self._clients[client]

    async def submit(
        self, model: Model, pictures: Sequence[Tensor], deadline: float, rows: int | None = None
    ) -> Tensor:
        """Rows of the pictures, one for each, or `rows` in all; raises Refusal 504 where the deadline passed before
        they were begun.

        Cancelled (as by a client that has gone), the pictures are not computed any more.
        """
        job = Job(model, pictures, deadline, len(pictures) if rows is None else rows)
        self._waiting.append(job)
        self._came.set()
        return await job.answer

    async def run(self) -> None:
        """Compute whatever comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            jobs = self._next()
            if not jobs:
                self._came.clear()
                continue
            pictures = [picture for job in jobs for picture in job.pictures]
            started = time.monotonic()
            try:
                rows = await loop.run_in_executor(self._worker, self._rows, jobs[0].model, pictures)
            except ConvnetsError as error:
                _fail(jobs, refusal_of(error))
            except Exception as error:  # noqa: BLE001  one batch's fault is not to end the server
                _fail(jobs, Refusal(500, f"the network failed: {' '.join(str(error).split())[:200]}"))
            else:
                self._watch(len(pictures), time.monotonic() - started)
                parts = torch.split(rows, [job.rows for job in jobs])
                for job, part in zip(jobs, parts, strict=True):
                    if not job.answer.done():
                        job.answer.set_result(part)

    def _rows(self, model: Model, pictures: list[Tensor]) -> Tensor:
        """Of all pictures, never more than a batch at once, also where one request has more."""
        size = self.limits.batch
        parts = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        return torch.cat([self._compute(model, part) for part in parts])

    def _next(self) -> list[Job[Model]]:
        """Jobs of one model that fit into a batch, the oldest first; late ones are refused, abandoned ones left out."""
        jobs: list[Job[Model]] = []
        count = 0
        while self._waiting:
            job = self._waiting[0]
            if job.answer.done():
                self._waiting.popleft()
            elif time.monotonic() > job.deadline:
                self._waiting.popleft()
                _fail([job], too_late())
            elif jobs and (job.model is not jobs[0].model or count + len(job.pictures) > self.limits.batch):
                break
            else:
                jobs.append(self._waiting.popleft())
                count += len(job.pictures)
        return jobs


def _fail(jobs: Sequence[Job[Model]], refusal: Refusal) -> None:
    for job in jobs:
        if not job.answer.done():
            job.answer.set_exception(refusal)
