"""The number of threads on a machine that others use, on a clock of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace


class Machine:
    """A machine on which a piece of work takes `seconds(threads)`, and threads wait for cores where others work."""

    def __init__(self) -> None:
        self.now = self.waited = 0.0
        self.busy = False
        self.knows_waiting = True
        self.idle_seconds: dict[int, float] = {4: 0.01, 2: 0.018, 1: 0.03}
        self.busy_seconds: dict[int, float] = {4: 0.4, 2: 0.1, 1: 0.03}
        self.used: list[int] = []
        self.changes: list[tuple[int, int]] = []

    def pace(self, threads: int = 2, *, paced: bool = True) -> ThreadPace:
        hardware = Hardware(torch.device("cpu"), torch.float32, threads=threads, paced=paced)
        torch.set_num_threads(threads)
        return ThreadPace(
            hardware,
            lambda before, now, _gain: self.changes.append((before, now)),
            clock=lambda: self.now,
            waited=lambda: self.waited if self.knows_waiting else None,
        )

    def work(self, pace: ThreadPace, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            with pace.working():
                threads = torch.get_num_threads()
                self.used.append(threads)
                taken = (self.busy_seconds if self.busy else self.idle_seconds)[threads]
                self.now += taken
                if self.busy and threads > 1:
                    self.waited += 0.6 * taken


@pytest.fixture
def machine() -> Iterator[Machine]:
    before = torch.get_num_threads()
    yield Machine()
    torch.set_num_threads(before)


def test_on_an_idle_machine_nothing_is_tried(machine: Machine) -> None:
    with machine.pace() as pace:
        machine.work(pace, 300)
    assert set(machine.used) == {2}
    assert machine.changes == []


def test_a_machine_that_is_busy_from_the_start_gets_one_thread_within_half_a_second(machine: Machine) -> None:
    machine.busy = True
    with machine.pace() as pace:
        machine.work(pace, 0.5)
        assert pace.threads == 1
    assert machine.changes == [(2, 1)]


def test_others_come_and_go(machine: Machine) -> None:
    with machine.pace() as pace:
        machine.work(pace, 10)
        machine.busy = True
        machine.work(pace, 10)
        machine.busy = False
        machine.work(pace, 70)
        assert pace.threads == 2
    assert machine.changes == [(2, 1), (1, 2)]


def test_where_the_system_does_not_tell_of_waiting_slower_work_does(machine: Machine) -> None:
    machine.knows_waiting = False
    with machine.pace() as pace:
        machine.work(pace, 10)
        machine.busy = True
        machine.work(pace, 10)
    assert machine.changes == [(2, 1)]


def test_of_four_threads_two_may_be_best(machine: Machine) -> None:
    machine.busy, machine.busy_seconds = True, {4: 0.2, 2: 0.02, 1: 0.03}
    with machine.pace(threads=4) as pace:
        machine.work(pace, 5)
    assert pace.threads == 2
    assert machine.changes == [(4, 2)]


def test_fewer_threads_must_win_clearly(machine: Machine) -> None:
    machine.busy, machine.busy_seconds = True, {2: 0.02, 1: 0.019}
    with machine.pace() as pace:
        machine.work(pace, 60)
    assert machine.changes == []
    assert pace.threads == 2


def test_more_threads_must_win_clearly_as_well(machine: Machine) -> None:
    machine.busy = True
    with machine.pace() as pace:
        machine.work(pace, 5)
        machine.busy_seconds = {2: 0.029, 1: 0.03}
        machine.work(pace, 60)
    assert machine.changes == [(2, 1)]
    assert pace.threads == 1


def test_trying_takes_ever_less_of_the_time_while_nothing_changes(machine: Machine) -> None:
    machine.busy = True
    with machine.pace() as pace:
        machine.work(pace, 600)
        machine.used.clear()
        machine.work(pace, 600)
    assert 0 < machine.used.count(2) * machine.busy_seconds[2] < 0.01 * 600


def test_a_number_that_was_given_is_kept(machine: Machine) -> None:
    machine.busy = True
    with machine.pace(paced=False) as pace:
        pace.restore(1)
        machine.work(pace, 30)
    assert set(machine.used) == {2}


def test_a_restored_number_is_begun_with(machine: Machine) -> None:
    with machine.pace() as pace:
        pace.restore(1)
        machine.work(pace, 1)
    assert set(machine.used) == {1}


def test_threads_are_as_found_after_the_block_however_it_ends(machine: Machine) -> None:
    machine.busy = True

    def work_and_fail(end: Callable[[ThreadPace], None]) -> None:
        with machine.pace() as pace:
            machine.work(pace, 5)
            assert torch.get_num_threads() == 1
            end(pace)

    def interrupt(pace: ThreadPace) -> None:
        with pace.working():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_and_fail(interrupt)
    assert torch.get_num_threads() == 2
    work_and_fail(lambda _: None)
    assert torch.get_num_threads() == 2


def test_what_the_first_piece_takes_says_nothing(machine: Machine) -> None:
    """It compiles and measures kernels, whose processes wait for cores, too."""
    with machine.pace() as pace:
        with pace.working():
            machine.now, machine.waited = machine.now + 20, machine.waited + 15
        machine.work(pace, 5)
    assert set(machine.used) == {2}


def test_long_pieces_are_tried_once(machine: Machine) -> None:
    machine.busy, machine.busy_seconds = True, {2: 2.0, 1: 0.5}
    with machine.pace() as pace:
        machine.work(pace, 10)
    assert machine.used[:5] == [2, 2, 1, 1, 1]  # of each number the first makes things ready
    assert machine.changes == [(2, 1)]


def test_a_choice_that_was_wrong_is_made_again_soon(machine: Machine) -> None:
    """A process that has slept runs before others for a while, so that all threads seem to be fast."""
    machine.busy, machine.busy_seconds = True, {2: 0.02, 1: 0.03}
    with machine.pace() as pace:
        machine.work(pace, 0.4)
        assert pace.threads == 2
        machine.busy_seconds = {2: 0.1, 1: 0.03}
        machine.work(pace, 1.5)
        assert pace.threads == 1
