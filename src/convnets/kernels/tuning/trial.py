"""A trial of the kernels for one shape: which give the right result, and how long each takes."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch

from convnets.kernels.convolutions.candidates import applicable
from convnets.kernels.convolutions.plan import DIRECTIONS, ConvolutionPlan
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.operands import Operands

__all__ = ["Clock", "choose", "clock_for", "measure"]

Clock = Callable[[], float]

_BUDGET = 0.1  # seconds of timing for each direction
_MACS = 1_000_000_000  # for each thread: a hundredth of a second at the speed of today's cores
_MIN_IMAGES = 8
_MIN_ROUNDS, _MAX_ROUNDS = 3, 25
_WORTH: Final = 0.95  # of oneDNN's time: what a choice must stay under, or noise would decide
_OVERHEAD = 1.5e-4  # seconds that a convolution of our own spends in Python, which PyTorch's does not
_SLOW_START = 0.02  # seconds: below, a first call says more of its preparations than of its speed


def measure(shape: ConvolutionShape, clock: Clock | None = None) -> ConvolutionPlan:
    """Check and time every kernel for `shape` with the current number of threads, and choose.

    It takes about 0.3 s. A large batch is measured by some of its images, and the times are scaled to all. The
    kernels of a direction take turns, so that what else the machine does meets all of them alike. `clock` gives
    seconds; by default that of `clock_for`.

    >>> tiny = ConvolutionShape(1, 8, 4, 4, 2, (3, 3), dtype="fp64", needs_input_gradient=False)
    >>> sorted(measure(tiny).seconds["forward"])
    ['im2col', 'im2col-blocked', 'onednn']
    """
    if clock is None:
        clock = clock_for(torch.get_num_threads())
    part = replace(shape, batch=_affordable_images(shape, torch.get_num_threads()))
    directions = [d for d in DIRECTIONS if d != "input_gradient" or shape.needs_input_gradient]
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        operands = Operands(part)
        first: dict[str, dict[str, float]] = {}
        dropped: dict[str, dict[str, str]] = {}
        for direction in directions:
            first[direction], dropped[direction] = _check(operands, direction, clock)
        operands.fill()
        samples = {direction: _time(operands, direction, first[direction], clock) for direction in directions}
    chosen = {direction: choose(samples[direction]) for direction in directions}
    seconds = {
        direction: {name: min(times) * shape.batch / part.batch for name, times in found.items()}
        for direction, found in samples.items()
    }
    return ConvolutionPlan(
        **(chosen if _is_worthwhile(chosen, seconds) else {}),
        seconds=seconds,
        dropped={direction: reasons for direction, reasons in dropped.items() if reasons},
    )


def clock_for(threads: int) -> Clock:
    """The time that one thread has worked, which other programs do not touch; for several, the wall clock.

    Where the system counts a thread's time coarsely, the wall clock serves in both cases.
    """
    fine = time.get_clock_info("thread_time").resolution < 1e-5
    return time.thread_time if threads == 1 and fine else time.perf_counter


def choose(samples: Mapping[str, Sequence[float]]) -> str:
    """oneDNN, or the fastest other kernel where it is at least 5 % faster by its best and by its median time.

    `samples` are the times of each kernel that is right; the others are chosen among where oneDNN is not.

    >>> choose({"onednn": [1.0, 1.0, 1.0], "im2col": [0.96, 0.96, 0.96]})
    'onednn'
    >>> choose({"onednn": [1.0, 1.0, 1.0], "im2col": [0.9, 0.8, 0.9]})
    'im2col'
    """
    if not samples:
        return "onednn"
    best = min(samples, key=lambda name: min(samples[name]))
    if "onednn" not in samples:
        return best
    for measure_of in (min, statistics.median):
        if measure_of(samples[best]) > _WORTH * measure_of(samples["onednn"]):
            return "onednn"
    return best


def _affordable_images(shape: ConvolutionShape, threads: int) -> int:
    images = _MACS * max(2, threads) * shape.batch // max(1, shape.macs)
    least = max(_MIN_IMAGES, 2 * threads)
    return min(shape.batch, max(least, images - images % least))


def _is_worthwhile(chosen: Mapping[str, str], seconds: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether the three directions together save more than it costs to leave PyTorch's own convolution."""
    saved = 0.0
    for direction, name in chosen.items():
        if name != "onednn":
            # where oneDNN is wrong, no saving is asked for
            saved += seconds[direction].get("onednn", math.inf) - seconds[direction][name]
    return saved > _OVERHEAD


def _check(operands: Operands, direction: str, clock: Clock) -> tuple[dict[str, float], dict[str, str]]:
    """The time of the first run of each kernel that is right, and why others were dropped."""
    first: dict[str, float] = {}
    dropped: dict[str, str] = {}
    for name in applicable(direction, operands.shape):
        started = clock()
        try:
            results = operands.run(direction, name)
        except (RuntimeError, NotImplementedError) as error:
            dropped[name] = (str(error).splitlines() or [type(error).__name__])[0][:200]
            continue
        first[name] = clock() - started
        fault = operands.fault(direction, results)
        if fault is not None:
            del first[name]
            dropped[name] = fault
    return first, dropped


def _time(
    operands: Operands, direction: str, first: Mapping[str, float], clock: Clock
) -> dict[str, list[float]]:
    """Times of each kernel; one that is far behind is given up early, with what was measured of it."""
    samples: dict[str, list[float]] = {}
    running = []
    for name, seconds in first.items():
        if name != "onednn" and seconds > max(_SLOW_START, 4 * min(first.values())):
            samples[name] = [seconds]
        else:
            samples[name] = []
            running.append(name)
    started = clock()
    for rounds in range(_MAX_ROUNDS):
        if rounds >= _MIN_ROUNDS and clock() - started > _BUDGET:
            break
        for name in running:
            before = clock()
            operands.run(direction, name)
            samples[name].append(clock() - before)
        if rounds > 0:
            best = min(min(samples[name]) for name in running)
            running = [name for name in running if name == "onednn" or min(samples[name]) < 1.5 * best]
    return samples
