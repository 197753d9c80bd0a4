"""bench(): our training and evaluation, and the plain loops where they are asked for, measured in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from convnets.benchmarking.loop_process import LoopProcess, measured_peaks
from convnets.benchmarking.measures.macs import multiply_accumulates
from convnets.benchmarking.measures.rounds import choose_steps, take_turns
from convnets.benchmarking.measures.slices import Side
from convnets.benchmarking.result import OWN, BenchResult, Comparison
from convnets.benchmarking.workload import Workload
from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware
from convnets.core.progress import Progress
from convnets.core.storage.files import write_json, write_text
from convnets.core.thread_waiting import waiting_as_pytorch_does
from convnets.data.decode import probe_pictures
from convnets.data.sources import load_data
from convnets.errors import ConfigError, RunError
from convnets.models.catalogue import create_model, model_entry

__all__ = ["bench"]

_BASELINES = {"training": ("standard", "hand-tuned"), "inference": ("standard",)}


def bench(
    workloads: Sequence[Workload],
    *,
    baseline: bool = False,
    compiled: bool = False,
    inference: bool = True,
    rounds: int = 5,
    seconds: float = 3.0,
    output: Path | None = None,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure how fast each workload is trained, and evaluated.

    Every side runs in a process of its own; after a warm-up they take turns, a slice of about `seconds` each,
    `rounds` times, and the others are paused meanwhile. The peak is measured before in the same run.

    Args:
        workloads: at least one, all on the same device with the same precision and threads.
        baseline: also the standard loop and the hand-tuned loop, which convnets is then compared with.
        compiled: also the hand-tuned loop under `torch.compile`, in training.
        inference: also evaluation on images in memory.
        rounds: slices of each side.
        seconds: that a slice is to last.
        output: a folder for bench.json, bench.svg and bench.png; the first is written after each network.
        progress: who hears how far it is.

    Raises ConfigError for a value that is not allowed, UnknownNameError for a name, RunError for a folder that
    cannot be written, and TrainingError when a side's process dies.
    """
    _check(workloads, rounds, seconds, output)
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    say = progress or _silent
    first = workloads[0]
    hardware = choose_hardware(first.device, first.precision, first.threads)
    shapes = [_shape(workload, say) for workload in workloads]
    say("matrix products", 0, 1)
    peaks = measured_peaks(str(hardware.device), hardware.threads)
    environment = describe_environment(hardware)
    comparisons: list[Comparison] = []
    for workload, (parameters, macs) in zip(workloads, shapes, strict=True):
        measured = {
            kind: _measure(workload, kind, _sides(kind, baseline, compiled), rounds, seconds, say)
            for kind in ("training", "inference")[: 1 + inference]
        }
        comparisons.append(
            Comparison(workload, parameters, macs, measured["training"], measured.get("inference", ()))
        )
        result = BenchResult(tuple(comparisons), rounds, seconds, peaks, environment, started)
        if output is not None:
            write_json(output / "bench.json", result.to_dict())
    if output is not None:
        _draw(result, output)
    return result


def _check(workloads: Sequence[Workload], rounds: int, seconds: float, output: Path | None) -> None:
    if not workloads:
        raise ConfigError("no networks to measure; give at least one")
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}; allowed: 1 or more")
    if not 0 < seconds < math.inf:
        raise ConfigError(f"seconds is {seconds}; allowed: above 0, such as 3")
    for workload in workloads:
        entry = model_entry(workload.network)
        _ = workload.config  # which refuses values outside its ranges
        if workload.size < entry.min_size:
            raise ConfigError(f"size is {workload.size}; {entry.name} needs at least {entry.min_size}")
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{output} cannot be made a folder: {error.strerror}; choose another") from None


def _shape(workload: Workload, progress: Progress) -> tuple[int, int]:
    """Parameters and MACs of the network for these data, which are there and verified afterwards."""
    splits = load_data(workload.data, progress=progress)
    channels = probe_pictures(splits.train).channels
    with torch.device("meta"):
        network = create_model(
            workload.network,
            in_channels=channels,
            num_classes=len(splits.classes),
            input_size=workload.size,
        )
    macs = multiply_accumulates(network, (channels, workload.size, workload.size))
    return sum(p.numel() for p in network.parameters()), macs


def _sides(kind: str, baseline: bool, compiled: bool) -> tuple[str, ...]:
    others = _BASELINES[kind] if baseline else ()
    return (*others, *(("compiled",) if compiled and kind == "training" else ()), OWN)


def _measure(
    workload: Workload, kind: str, sides: Sequence[str], rounds: int, seconds: float, progress: Progress
) -> tuple[Side, ...]:
    """The sides of `training` or `inference`, convnets first."""
    what, settled = f"{workload.network}, {kind}", workload.settled()
    with ExitStack() as stack:
        runners, steps = {}, {}
        for done, side in enumerate(sides):
            progress(f"{what}: warming up {side}", done, len(sides))
            process = LoopProcess(f"{what}, {side}", None if side == OWN else waiting_as_pytorch_does())
            runners[side] = stack.enter_context(process)
            process.prepare(kind, side, workload if side == OWN else settled)
            steps[side] = choose_steps(process, seconds)
        slices = take_turns(runners, steps, rounds, lambda done, total: progress(what, done, total))
        kernels = runners[OWN].kernels()
    return tuple(
        Side(
            name=side,
            precision="fp32" if side == "standard" else settled.precision,
            steps=steps[side],
            slices=slices[side],
            kernels=kernels if side == OWN else {},
        )
        for side in reversed(sides)
    )


def _draw(result: BenchResult, output: Path) -> None:
    from convnets.benchmarking.chart import bench_figure, bench_svg

    write_text(output / "bench.svg", bench_svg(result))
    bench_figure(result).savefig(output / "bench.png", dpi=150, facecolor="white")


def _silent(_: str, __: int, ___: int | None) -> None:
    pass
