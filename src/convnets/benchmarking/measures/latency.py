"""Latency: how long one image takes through each of several networks on this machine, measured in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.benchmarking.loop import wait_for_device
from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.errors import ConfigError

__all__ = ["Latency", "measure_latencies"]


@dataclass(frozen=True)
class Latency:
    """Wall-clock seconds for one image, copying it to the device left out."""

    seconds: float
    """Median over the rounds."""
    low: float
    """The fastest round."""
    high: float
    """The slowest round."""
    rounds: int
    passes: int
    """Forward passes in all rounds together."""


def measure_latencies(
    networks: Mapping[str, tuple[nn.Module, Sequence[int]]],
    hardware: Hardware,
    *,
    rounds: int = 7,
    seconds: float = 0.2,
    progress: Progress | None = None,
) -> dict[str, Latency]:
    """The latency of each network in evaluation mode for one image of C×H×W, by name.

    Every round takes each network in turn for about `seconds`, at least one pass, so that what else the machine does
    meets all of them alike. `progress` is called with what is done, rounds done, and all rounds.
    Raises ConfigError for less than one round.

    >>> from convnets.core.hardware import choose_hardware
    >>> tiny = {"linear": (nn.Linear(4, 2), (4,))}
    >>> found = measure_latencies(tiny, choose_hardware("cpu", "fp32"), rounds=2, seconds=0.001)
    >>> found["linear"].low <= found["linear"].seconds <= found["linear"].high
    True
    """
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}; allowed: 1 or more")
    if not seconds > 0:
        raise ConfigError(f"seconds is {seconds}; allowed: above 0")
    prepared = {
        name: (network.to(hardware.device).eval(), torch.rand(1, *shape, device=hardware.device))
        for name, (network, shape) in networks.items()
    }
    for network, image in prepared.values():
        _time(network, image, hardware, 0.0)  # the first pass also prepares memory and kernels
    times: dict[str, list[float]] = {name: [] for name in prepared}
    passes = dict.fromkeys(prepared, 0)
    for done in range(rounds):
        for name, (network, image) in prepared.items():
            each, count = _time(network, image, hardware, seconds)
            times[name].append(each)
            passes[name] += count
        if progress is not None:
            progress("measuring latency", done + 1, rounds)
    return {
        name: Latency(statistics.median(found), min(found), max(found), rounds, passes[name])
        for name, found in times.items()
    }


def _time(network: nn.Module, image: Tensor, hardware: Hardware, seconds: float) -> tuple[float, int]:
    """Mean seconds of a pass, and passes, in about `seconds`."""
    passes, started = 0, time.perf_counter()
    with torch.inference_mode(), hardware.autocast():
        while True:
            network(image)
            wait_for_device(hardware.device)
            passes += 1
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                return elapsed / passes, passes
