"""Scatter: parameters, MACs and measured latency of chosen networks, as records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from convnets.benchmarking.measures.latency import Latency, measure_latencies
from convnets.benchmarking.result import in_figures
from convnets.core.display.renderers import renderer
from convnets.core.display.text_table import aligned
from convnets.core.environment import describe_environment
from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.errors import ConfigError
from convnets.inspection.cost.summary import inspect
from convnets.inspection.formatting import format_shape

__all__ = ["Scatter", "ScatterPoint", "scatter"]

_CONVENTION = (
    "MACs: multiply-accumulates of convolutions and matrix products for one image; 1 MAC = 2 FLOPs.",
    "latency: wall-clock time of one image through the network, median of the rounds beside the fastest and slowest.",
)


@dataclass(frozen=True)
class ScatterPoint:
    """One network."""

    network: str
    input_shape: tuple[int, ...]
    """C×H×W."""
    parameters: int
    macs: int
    flops: int
    latency: Latency

    @property
    def macs_per_second(self) -> float:
        """At the median latency."""
        return self.macs / self.latency.seconds


@dataclass(frozen=True)
class Scatter:
    """Networks measured in turn on one machine."""

    points: tuple[ScatterPoint, ...]
    """In the order in which they were given."""
    environment: Mapping[str, Any]
    """Machine, versions, threads, precision, command."""
    started: str
    """Local time, ISO 8601."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; seconds for one image."""
        return {
            "started": self.started,
            "environment": dict(self.environment),
            "conventions": list(_CONVENTION),
            "networks": [asdict(point) for point in self.points],
        }

    def __str__(self) -> str:
        head = ("network", "input", "parameters", "MACs", "latency, ms", "fastest–slowest", "GMAC/s")
        rows = [_cells(point) for point in self.points]
        machine = f"on {self.environment['hardware']}, {self.points[0].latency.rounds} rounds in turn"
        return "\n".join([aligned(head, rows, right=range(1, len(head))), "", machine, *_CONVENTION])

    def draw(self, path: Path) -> Path:
        """Write the picture: SVG or PNG, as the name ends. Returns the path; raises UsageError for another ending."""
        return renderer(self, "picture")(self, path)


def scatter(
    networks: Mapping[str, tuple[nn.Module, Sequence[int]]],
    hardware: Hardware,
    *,
    rounds: int = 7,
    seconds: float = 0.2,
    progress: Progress | None = None,
) -> Scatter:
    """Parameters, MACs and latency of each network for one image of C×H×W, by name.

    `rounds`, `seconds` and `progress` are as in `measure_latencies`. Raises ConfigError where nothing is given to
    measure, and LayerError for an image that a network cannot take.
    """
    if not networks:
        raise ConfigError("no networks were given to measure; allowed: one or more")
    started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    found = {
        name: inspect(network, shape, training=False, fields=False)
        for name, (network, shape) in networks.items()
    }
    latencies = measure_latencies(networks, hardware, rounds=rounds, seconds=seconds, progress=progress)
    points = tuple(
        ScatterPoint(name, each.input_shape, each.parameters, each.macs, each.flops, latencies[name])
        for name, each in found.items()
    )
    return Scatter(points, describe_environment(hardware), started)


def _cells(point: ScatterPoint) -> list[str]:
    latency = point.latency
    return [
        point.network,
        format_shape(point.input_shape),
        f"{point.parameters:,}",
        f"{point.macs:,}",
        in_figures(1000 * latency.seconds),
        f"{in_figures(1000 * latency.low)}–{in_figures(1000 * latency.high)}",
        in_figures(point.macs_per_second / 1e9),
    ]
