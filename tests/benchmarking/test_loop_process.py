"""Workers: told what to do, paused between slices, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from convnets.benchmarking.loop_process import LoopProcess
from convnets.benchmarking.measures.peak_memory import family
from convnets.benchmarking.workload import Workload
from convnets.errors import ConfigError, TrainingError, UnknownNameError

Make = Callable[..., Workload]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are others there")


def wait_until(what: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def gone(pids: list[int]) -> bool:
    """Whether none of the processes is there; one that is dead and was not asked for yet is not there."""
    left = []
    for pid in pids:
        try:
            left.append(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            continue
    return not any(left)


@POSIX
def test_a_side_with_a_loader_runs_and_stands_still_in_between(workload: Make) -> None:
    with LoopProcess("softmax, training, standard") as process:
        process.prepare("training", "standard", workload("softmax", size=8, learning_rate=0.1))
        slices = [process.run(steps) for steps in (2, 3)]
        assert process.kernels() == {}  # PyTorch's own, without a choice
        members = family(process.pid)
        assert len(members) == 5  # itself and the loader's four
        assert wait_until(lambda: all(each.status() == psutil.STATUS_STOPPED for each in members))
        pids = [each.pid for each in members]
    assert gone(pids)
    assert [each.images for each in slices] == [2 * 64, 3 * 64]
    for each in slices:
        assert each.seconds > 0
        assert 0 <= each.waiting_seconds <= each.seconds
        assert each.peak_bytes > 50e6
        assert each.loss is not None


@POSIX
def test_a_worker_that_dies_is_one_line() -> None:
    with LoopProcess("lenet, training, standard") as process:
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(TrainingError) as error:
            process.run(1)
    remedy = "free memory, or take a smaller batch size"
    assert str(error.value) == f"lenet, training, standard: its process was killed by signal 9; {remedy}"


def test_an_error_that_nobody_foresaw_is_one_line() -> None:
    with LoopProcess("lenet, training, standard") as process, pytest.raises(TrainingError) as error:
        process.ask({"kind": "training"})  # as nothing was prepared
    message = str(error.value)
    assert message.startswith("lenet, training, standard: its process ended with AssertionError (status 1); ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "kind"), [({"batch_size": 0}, ConfigError), ({"network": "x"}, UnknownNameError)]
)
def test_an_error_of_ours_comes_through_as_it_is(
    workload: Make, change: dict[str, object], kind: type[Exception]
) -> None:
    with LoopProcess("lenet, training, convnets") as process, pytest.raises(kind, match="; ") as error:
        process.prepare("training", "convnets", workload(**change))
    assert type(error.value) is kind


@POSIX
def test_a_paused_worker_ends_with_the_process_that_started_it(warm_python: Any) -> None:
    code = """
import time
from convnets.benchmarking.loop_process import LoopProcess
process = LoopProcess("x")
process.pause()
print(process.pid, flush=True)
time.sleep(60)
"""
    process = warm_python.start("-c", code, stdout=subprocess.PIPE)
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert wait_until(lambda: gone([worker]))
