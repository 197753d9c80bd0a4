"""Service: what the routes share: models, queue, workers, index, and how a request becomes rows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request
from torch import Tensor

from convnets.core.hardware import usable_cores
from convnets.errors import ConvnetsError
from convnets.retrieval.image_index import ImageIndex
from convnets.serving.http.batcher import Batcher
from convnets.serving.http.limits import Limits
from convnets.serving.http.refusal import Refusal, refusal_of, too_late
from convnets.serving.http.served_model import Loaded, Reader, ServedModel
from convnets.serving.http.telemetry import RequestLog, Telemetry

__all__ = ["Asked", "Service"]

Made = TypeVar("Made")
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """One request's examples, decoded, and the model that answers them."""

    model: Loaded
    sent: Any
    """As they came, sized."""
    pictures: list[Tensor]
    """A tensor for each place in the queue."""
    deadline: float


Admit = Callable[[Loaded, Any], contextlib.AbstractAsyncContextManager[Asked]]


class Service:
    """Everything that lives as long as the server."""

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        limits: Limits,
        log: RequestLog,
        index: ImageIndex | None = None,
    ) -> None:
        self.models, self.limits, self.log, self.index = dict(models), limits, log, index
        self.telemetry = Telemetry()
        self._compute = ThreadPoolExecutor(1, "convnets-compute")  # the network has all cores to itself
        self._decode = ThreadPoolExecutor(usable_cores(), "convnets-decode")
        self._reload = ThreadPoolExecutor(1, "convnets-reload")
        self.batcher: Batcher[Loaded] = Batcher(_computed, limits, self._compute, self.telemetry.batch_done)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Compute and watch the model folders while inside."""
        tasks = [asyncio.create_task(self.batcher.run()), asyncio.create_task(self._watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for pool in (self._compute, self._decode, self._reload):
                pool.shutdown(wait=False, cancel_futures=True)

    def model(self, name: str | None) -> Loaded:
        """The model of that name, or the first. Raises Refusal 404."""
        if name is None:
            return next(iter(self.models.values())).current
        if name not in self.models:
            raise Refusal(404, f"no model {name[:80]!r}; served: {', '.join(self.models)}")
        return self.models[name].current

    @contextlib.asynccontextmanager
    async def asked(
        self, request: Request, model: str | None, deadline: float | None, reader: Reader | None = None
    ) -> AsyncIterator[Asked]:
        """Admit the request, read and decode its examples; the place in the queue lasts until the end.

        `reader` reads and decodes in place of the model's own.
        """
        chosen = self.model(model)
        how = reader or chosen.reader
        async with (
            self.admitted(request, deadline, how) as admit,
            admit(chosen, await how.sent(request, self.limits, self._decode)) as asked,
        ):
            yield asked

    @contextlib.asynccontextmanager
    async def admitted(
        self, request: Request, deadline: float | None, reader: Reader | None = None
    ) -> AsyncIterator[Admit]:
        """A place for one example and the body before anything is read; `admit` takes those of the other examples.

        deadline: seconds from now; None and more than the server's are the server's.
        """
        if deadline is not None and not deadline > 0:
            line = f"deadline is {deadline:g}; allowed: seconds above 0, at most {self.limits.deadline:g}"
            raise Refusal(422, line)
        until = time.monotonic() + min(deadline or self.limits.deadline, self.limits.deadline)
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdigit() else self.limits.body_bytes
        client = request.client.host if request.client else "?"

        @contextlib.asynccontextmanager
        async def admit(model: Loaded, sent: Any) -> AsyncIterator[Asked]:
            how = reader or model.reader
            places, more = how.room(sent)
            async with self.batcher.room(client, places - 1, more):
                yield Asked(model, sent, await self.decoded(how.decode, sent, self.limits), until)

        async with self.batcher.room(client, 1, min(size, self.limits.body_bytes)):
            yield admit

    async def rows(self, request: Request, asked: Asked) -> Tensor:
        """What the model computes, a row for each example; cancelled when the client goes."""
        work = self.batcher.submit(asked.model, asked.pictures, asked.deadline, len(asked.sent))
        found: Tensor = await while_there(request, work)
        return found

    async def computed(
        self, request: Request, asked: Asked, function: Callable[..., Made], *args: Any
    ) -> Made:
        """`function` in the network's own thread, after what waits there; what it raises becomes a Refusal."""

        def begun() -> Made:
            if time.monotonic() > asked.deadline:
                raise too_late()
            return function(*args)

        found: Made = await while_there(request, self.in_pool(self._compute, begun))
        return found

    async def decoded(self, function: Callable[..., Made], *args: Any) -> Made:
        """`function` in a thread for decoding; what it raises becomes a Refusal."""
        return await self.in_pool(self._decode, function, *args)

    async def in_pool(self, pool: ThreadPoolExecutor, function: Callable[..., Made], *args: Any) -> Made:
        """Run it there; errors of the library become refusals."""
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
        except ConvnetsError as error:
            raise refusal_of(error) from None

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for model in self.models.values():
                taken = await loop.run_in_executor(self._reload, model.reload)
                if taken is not None:
                    self.telemetry.reloads.labels(model.name, "taken" if taken else "refused").inc()
                    facts = {"version": model.current.version} if taken else {"why": model.fault}
                    self.log.write("reloaded" if taken else "not reloaded", model=model.name, **facts)


def _computed(model: Loaded, examples: list[Tensor]) -> Tensor:
    return model.compute(examples)


async def while_there(request: Request, work: Any) -> Any:
    """Await `work`, and cancel it when the client goes. Raises Refusal 499 then, which nobody reads."""
    task = asyncio.ensure_future(work)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            raise Refusal(499, "the client has gone")
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
