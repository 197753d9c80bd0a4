"""Who still answers: signs of life, words left, waiting for each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from convnets.core.distributed import heartbeat
from convnets.core.distributed.heartbeat import Heartbeat, Unreachable


class Shelf:
    """A store in memory, as all ranks see it; a rank that is `dead` no longer writes."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def set(self, key: str, value: str, /) -> None:
        self.words[key] = value

    def get(self, key: str, /) -> bytes:
        return self.words[key].encode()

    def check(self, keys: list[str], /) -> bool:
        return all(key in self.words for key in keys)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenths of a second instead of seconds."""
    for name, seconds in (("_BEAT", 0.02), ("_SILENCE", 0.4), ("_LONG_SILENCE", 0.8), ("_POLL", 0.01)):
        monkeypatch.setattr(heartbeat, name, seconds)


@pytest.fixture
def three() -> Iterator[list[Heartbeat]]:
    shelf = Shelf()
    boards = [Heartbeat(lambda: shelf, rank, 3, f"process {rank} on here") for rank in range(3)]
    yield boards
    for each in boards:
        each.close()


def test_all_meet_and_hear_what_each_has_left(three: list[Heartbeat]) -> None:
    heard: dict[int, list[str]] = {}

    def meet(each: Heartbeat) -> None:
        heard[each.rank] = each.meet("start", f"word {each.rank}")

    threads = [threading.Thread(target=meet, args=(each,)) for each in three]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heard == {rank: ["word 0", "word 1", "word 2"] for rank in range(3)}


def test_a_silent_one_is_named(three: list[Heartbeat]) -> None:
    three[2].close()
    fate = three[0].fate_of_others()
    assert fate.ranks == [2]
    assert not fate.said
    assert str(fate) == (
        "rank 2 (process 2 on here) no longer answers: it was killed, stands still, or its machine is out of reach"
    )
    three[1].close()
    assert three[0].fate_of_others().ranks == [1, 2]


def test_one_that_said_why_it_ends_is_believed(three: list[Heartbeat]) -> None:
    three[1].post("error", "no such file")
    fate = three[0].fate_of_others()
    assert (fate.ranks, str(fate), fate.said) == ([1], "rank 1 ended: no such file", True)
    assert three[2].is_said_by_lower("no such file", 0.1)
    assert not three[2].is_said_by_lower("something else", 0.1)
    assert not three[0].is_said_by_lower("no such file", 0.1)


def test_all_that_answer_are_not_blamed(three: list[Heartbeat]) -> None:
    assert three[0].fate_of_others().ranks == []


def test_waiting_ends_with_the_one_that_is_waited_for(three: list[Heartbeat]) -> None:
    three[1].post("start", "")
    three[2].close()
    with pytest.raises(Unreachable, match="rank 2"):
        three[0].meet("start")
    three[1].post("error", "disk full")
    with pytest.raises(Unreachable, match="rank 1 ended: disk full"):
        three[0].meet("other")
