"""The desk: lanes side by side, newer questions before older ones, clients that vanish, a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from convnets.serving.http.refusal import Refusal
from convnets.studio.cache import Cache
from convnets.studio.desk import Desk, Wanted

Made = TypeVar("Made")


class _Asking:
    """A request that goes away when it is told to."""

    def __init__(self, slot: str = "") -> None:
        self.headers = {"x-slot": slot}
        self.gone = False

    async def is_disconnected(self) -> bool:
        return self.gone


def apart(run: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
    """What `run` gives, on a loop in a thread of its own: a browser of other tests may have one in this thread."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(lambda: asyncio.run(run())).result()


def test_a_quick_thing_is_done_beside_a_long_one() -> None:
    async def run() -> str:
        desk, end = Desk(), threading.Event()
        long = asyncio.create_task(desk.long(_Asking(), lambda _: end.wait(10)))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        quick = await desk.quick(_Asking(), lambda _: "done")  # type: ignore[arg-type]
        end.set()
        await long
        desk.close()
        return quick

    assert apart(run) == "done"


def test_a_client_that_vanishes_ends_its_work() -> None:
    async def run() -> int:
        desk, asking, turns = Desk(), _Asking(), 0

        def work(wanted: Wanted) -> None:
            nonlocal turns
            while True:
                turns += 1
                wanted.check()
                threading.Event().wait(0.01)

        task = asyncio.create_task(desk.long(asking, work))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        asking.gone = True
        with pytest.raises(Refusal) as refused:
            await asyncio.wait_for(task, 5)
        assert refused.value.status == 499
        desk.close()
        return turns

    assert apart(run) < 200


def test_an_older_question_of_the_slot_is_not_begun() -> None:
    async def run() -> list[Any]:
        desk, end, begun = Desk(), threading.Event(), []
        first = asyncio.create_task(desk.quick(_Asking(), lambda _: end.wait(5)))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        tasks = []
        for number in range(3):
            tasks.append(
                asyncio.create_task(desk.quick(_Asking("maps"), lambda _, n=number: begun.append(n)))
            )  # type: ignore[arg-type,misc]
            await asyncio.sleep(0.01)
        end.set()
        await first
        found = await asyncio.gather(*tasks, return_exceptions=True)
        desk.close()
        assert [getattr(each, "status", None) for each in found] == [499, 499, None]
        return begun

    assert apart(run) == [2]


def test_what_waits_is_bounded() -> None:
    async def run() -> None:
        desk, end = Desk(most_waiting=2), threading.Event()
        tasks = [asyncio.create_task(desk.quick(_Asking(), lambda _: end.wait(5))) for _ in range(2)]  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        with pytest.raises(Refusal, match="2 requests wait already"):
            await desk.quick(_Asking(), lambda _: None)  # type: ignore[arg-type]
        end.set()
        await asyncio.gather(*tasks)
        desk.close()

    apart(run)


def test_a_mistake_in_the_work_is_told() -> None:
    async def run() -> None:
        desk = Desk()
        with pytest.raises(ZeroDivisionError):
            await desk.quick(_Asking(), lambda _: 1 / 0)  # type: ignore[arg-type]
        assert await desk.quick(_Asking(), lambda _: 1) == 1  # type: ignore[arg-type]
        desk.close()

    apart(run)


def test_two_that_ask_for_one_thing_have_it_made_once() -> None:
    cache, made, both = Cache(100), [], threading.Barrier(2)

    def make() -> object:
        made.append(1)
        threading.Event().wait(0.05)
        return SimpleNamespace()

    found: list[object] = []

    def ask() -> None:
        both.wait()
        found.append(cache.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found[0] is found[1]


def test_what_was_used_last_stays() -> None:
    cache = Cache(10)
    for key in "abc":
        cache.get(key, lambda: 1, size=lambda _: 4)
    assert len(cache) == 2
    made = []
    cache.get("c", lambda: made.append("c"), size=lambda _: 4)
    cache.get("a", lambda: made.append("a"), size=lambda _: 4)
    assert made == ["a"]
    with pytest.raises(ValueError, match="no"):
        cache.get("d", lambda: (_ for _ in ()).throw(ValueError("no")))
    assert cache.get("d", lambda: 4) == 4
