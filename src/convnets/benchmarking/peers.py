"""bench_peers(): our inference beside other engines on the same network and images, answers compared first."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch

from convnets.benchmarking.loop_process import LoopProcess
from convnets.benchmarking.measures.rounds import choose_steps, take_turns
from convnets.benchmarking.measures.slices import Side
from convnets.benchmarking.peer_result import PeerResult, PeerRow
from convnets.benchmarking.result import OWN
from convnets.benchmarking.workload import Workload
from convnets.checkpoints.onnx.onnx_copy import compare_answers
from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware, usable_cores
from convnets.core.progress import Progress
from convnets.core.thread_waiting import waiting_as_pytorch_does
from convnets.errors import ConfigError, ConvnetsError
from convnets.models.catalogue import model_entry

__all__ = ["BATCHES", "PEERS", "bench_peers"]

PEERS = ("pytorch", "torch.compile", "onnxruntime", "openvino")
BATCHES = (1, 8, 64)


def bench_peers(
    workloads: Sequence[Workload],
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] | None = None,
    peers: Sequence[str] = PEERS,
    rounds: int = 5,
    seconds: float = 0.3,
    progress: Progress | None = None,
) -> PeerResult:
    """How fast each network is asked through convnets and through each peer, and whether they answer alike.

    A network has random weights and random statistics of batch norm; images are random and normalized. Each engine has
    a process of its own for each number of threads. First all answer the same 64 images; then they take turns,
    `rounds` slices of about `seconds` each, while the others are paused.

    Args:
        workloads: networks and sizes; of their other values the seed and the precision count, which is ours alone:
            the peers compute in float32.
        batches: images that are asked for at once.
        threads: numbers of threads; by default one and all cores.
        peers: of `PEERS`, those that take part. One that is not installed or cannot compute a network is named as
            absent, with the reason.

    Raises ConfigError for a value that is not allowed, UnknownNameError for a network, TrainingError when our own
    process dies.
    """
    counts = tuple(dict.fromkeys((1, usable_cores()) if threads is None else threads))
    _check(workloads, batches, counts, peers, rounds, seconds)
    started, say = time.strftime("%Y-%m-%dT%H:%M:%S%z"), progress or _silent
    rows: list[PeerRow] = []
    absent: dict[str, str] = {}
    for workload in workloads:
        for count in counts:
            settled = replace(workload, threads=count).settled()
            rows += _rows(settled, batches, peers, (rounds, seconds), absent, say)
    environment = describe_environment(choose_hardware("cpu", workloads[0].precision, counts[-1]))
    return PeerResult(tuple(rows), absent, rounds, seconds, environment, started)


def _check(
    workloads: Sequence[Workload],
    batches: Sequence[int],
    threads: Sequence[int],
    peers: Sequence[str],
    rounds: int,
    seconds: float,
) -> None:
    if not workloads:
        raise ConfigError("no networks to measure; give at least one")
    for name, values in (("batch size", batches), ("threads", threads), ("rounds", (rounds,))):
        wrong = [value for value in values if value < 1]
        if wrong or not values:
            raise ConfigError(f"{name} is {wrong[0] if wrong else 'none'}; allowed: 1 or more")
    if not 0 < seconds < math.inf:
        raise ConfigError(f"seconds is {seconds}; allowed: above 0, such as 0.3")
    if unknown := [name for name in peers if name not in PEERS]:
        raise ConfigError(f"peer is {unknown[0]!r}; allowed: {', '.join(PEERS)}")
    for workload in workloads:
        entry = model_entry(workload.network)
        if entry.axes != 2:
            raise ConfigError(f"{entry.name} is for series; allowed: networks for images")
        if workload.size < entry.min_size:
            raise ConfigError(f"size is {workload.size}; {entry.name} needs at least {entry.min_size}")


def _rows(
    workload: Workload,
    batches: Sequence[int],
    peers: Sequence[str],
    measuring: tuple[int, float],
    absent: dict[str, str],
    say: Progress,
) -> list[PeerRow]:
    """One network with one number of threads; processes are left as they leave the block."""
    what = f"{workload.network}, {workload.threads} thread{'s' * (workload.threads != 1)}"
    with ExitStack() as stack:
        processes: dict[str, LoopProcess] = {}
        for done, side in enumerate((OWN, *peers)):
            say(f"{what}: preparing {side}", done, len(peers) + 1)
            process = LoopProcess(f"{what}, {side}", None if side == OWN else waiting_as_pytorch_does())
            stack.enter_context(process)
            try:
                process.prepare("peers", side, workload)
            except ConvnetsError as error:
                _leave_out(side, what, error, absent)
                continue
            processes[side] = process
        return [_row(workload, batch, processes, measuring, absent, say) for batch in batches]


def _row(
    workload: Workload,
    batch: int,
    processes: dict[str, LoopProcess],
    measuring: tuple[int, float],
    absent: dict[str, str],
    say: Progress,
) -> PeerRow:
    what, (rounds, seconds) = f"{workload.network}, batch {batch}", measuring
    answers: dict[str, torch.Tensor] = {}
    for done, (side, process) in enumerate(list(processes.items())):
        say(f"{what}: asking {side}", done, len(processes))
        try:
            answers[side] = torch.tensor(process.answers(batch))
        except ConvnetsError as error:  # such as a compiler that fails at this size
            _leave_out(side, what, error, absent)
            del processes[side]
    compared = {side: compare_answers(answers[OWN], each) for side, each in answers.items()}
    steps = {side: choose_steps(process, seconds) for side, process in processes.items()}
    slices = take_turns(processes, steps, rounds, lambda done, total: say(what, done, total))
    sides = tuple(
        Side(side, workload.precision if side == OWN else "fp32", steps[side], slices[side])
        for side in processes
    )
    assert workload.threads is not None
    return PeerRow(workload.network, workload.size, batch, workload.threads, sides, compared)


def _leave_out(side: str, what: str, error: ConvnetsError, absent: dict[str, str]) -> None:
    """Remember why a peer is missing; our own side has to be there."""
    if side == OWN:
        raise error
    missing = "not installed" in str(error) or "install it with" in str(error)
    absent[side if missing else f"{side} ({what})"] = str(error)


def _silent(_: str, __: int, ___: int | None) -> None:
    pass
