"""The result of a comparison: every slice, what the slices say together, and the machine they ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from convnets.benchmarking.measures.peak import INFERENCE_FLOPS_PER_MAC, TRAINING_FLOPS_PER_MAC, gflops
from convnets.benchmarking.measures.slices import Ratio, Side, compare_sides
from convnets.benchmarking.workload import Workload

__all__ = ["OWN", "BenchResult", "Comparison"]

SCHEMA_VERSION = 1
OWN = "convnets"
_FLOPS_PER_MAC = {"training": TRAINING_FLOPS_PER_MAC, "inference": INFERENCE_FLOPS_PER_MAC}
_NOT_TOLD = "not told by this machine"
_CONVENTIONS = {
    "images_per_second": "median of the slices by wall clock, waiting for data included",
    "ratios": "ratio of the medians; low and high are the smallest and largest ratio within a round",
    "gflops": "training: 6 × MACs × images per second; inference: 2 × MACs × images per second",
    "share_of_peak": "of the best matrix product at the side's precision in the same run",
    "peak_bytes": "resident set sizes of all processes of a side, added up ten times a second",
    "joules_per_image": "counters of the whole processor; null: " + _NOT_TOLD,
    "standard": "the time until the DataLoader's first batch of an epoch is left out",
}


@dataclass(frozen=True)
class Comparison:
    """The sides of one network."""

    workload: Workload
    parameters: int
    macs: int
    """Multiply-accumulates of convolutions and linear layers for one image."""
    training: tuple[Side, ...]
    """convnets first; the others only with the baseline."""
    inference: tuple[Side, ...]
    """convnets first; empty where it was not asked for."""

    def sides(self, kind: str) -> tuple[Side, ...]:
        """Those of `training` or of `inference`."""
        return self.training if kind == "training" else self.inference

    def gflops(self, kind: str, side: Side) -> float:
        """Billions of operations per second, by the convention of `peak.gflops`."""
        return gflops(self.macs, _FLOPS_PER_MAC[kind], side.images_per_second)

    def ratios(self, kind: str) -> dict[str, Ratio]:
        """`convnets` as a multiple of each other side, by the other's name."""
        own, *others = self.sides(kind) or (None,)
        return {} if own is None else {other.name: compare_sides(own, other) for other in others}

    def to_dict(self, peaks: Mapping[str, float]) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.workload.to_dict(),
            "parameters": self.parameters,
            "macs": self.macs,
            **{kind: self._kind(kind, peaks) for kind in ("training", "inference") if self.sides(kind)},
        }

    def _kind(self, kind: str, peaks: Mapping[str, float]) -> dict[str, Any]:
        return {
            "sides": [
                {
                    **side.to_dict(),
                    "gflops": self.gflops(kind, side),
                    "share_of_peak": self.gflops(kind, side) / peaks[side.precision],
                }
                for side in self.sides(kind)
            ],
            "ratios": {name: asdict(ratio) for name, ratio in self.ratios(kind).items()},
        }


@dataclass(frozen=True)
class BenchResult:
    """All networks of one run."""

    comparisons: tuple[Comparison, ...]
    rounds: int
    seconds: float
    """That each slice was to last."""
    peaks: Mapping[str, float]
    """GFLOP/s of the best matrix product by precision, `fp32` and `bf16`."""
    environment: Mapping[str, Any]
    """Machine, versions, threads, command."""
    started: str
    """Local time, ISO 8601."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "started": self.started,
            "environment": dict(self.environment),
            "settings": {"rounds": self.rounds, "seconds": self.seconds},
            "conventions": _CONVENTIONS,
            "peak_gflops": dict(self.peaks),
            "energy": None if self._told() else _NOT_TOLD,
            "networks": [each.to_dict(self.peaks) for each in self.comparisons],
        }

    def table(self, kind: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and rows of `training` or of `inference`; no rows where nothing was measured."""
        header = (
            *("network", "size", "batch", "loop", "images/s", "min–max", "without waiting"),
            *("GFLOP/s", "of peak", "memory", "convnets is"),
        )
        rows = [
            self._row(kind, comparison, side)
            for comparison in self.comparisons
            for side in comparison.sides(kind)
        ]
        return header, rows

    def _row(self, kind: str, comparison: Comparison, side: Side) -> tuple[str, ...]:
        speed = comparison.gflops(kind, side)
        ratio = comparison.ratios(kind).get(side.name)
        low, high = side.range
        first = side.name == OWN
        return (
            comparison.workload.network if first else "",
            str(comparison.workload.size) if first else "",
            str(comparison.workload.batch_size) if first else "",
            f"{side.name}, {side.precision}",
            in_figures(side.images_per_second),
            f"{in_figures(low)}–{in_figures(high)}",
            in_figures(side.median(lambda each: each.images_per_second_without_waiting)),
            in_figures(speed),
            f"{100 * speed / self.peaks[side.precision]:.0f} %",
            f"{max(each.peak_bytes for each in side.slices) / 1e6:,.0f} MB",
            "" if ratio is None else f"{times(ratio.median)} ({times(ratio.low)}–{times(ratio.high)})",
        )

    def notes(self) -> list[str]:
        """What the table leaves unsaid: the peaks, the machine, energy."""
        peaks = ", ".join(f"{name} {in_figures(value)}" for name, value in self.peaks.items())
        lines = [
            f"medians of {self.rounds} slices of about {self.seconds:g} s in turn, on {self.environment['hardware']}",
            f"best matrix product: {peaks} GFLOP/s",
        ]
        energy = [
            f"{c.workload.network} {side.name} {1000 * joules:.2f}"
            for c in self.comparisons
            for side in c.training
            if (joules := side.joules_per_image) is not None
        ]
        lines += [
            f"{c.workload.network}: not all of its kernels were used, {obstacle}"
            for c in self.comparisons
            for side in c.training
            if (obstacle := side.kernels.get("obstacle"))
        ]
        lines.append(f"energy: {', '.join(energy)} mJ an image" if energy else f"energy: {_NOT_TOLD}")
        return lines

    def _told(self) -> bool:
        return any(side.joules_per_image is not None for each in self.comparisons for side in each.training)


def in_figures(value: float) -> str:
    """A number with about three figures.

    >>> [in_figures(value) for value in (12345.6, 123.4, 12.34, 0.1234)]
    ['12,300', '123', '12.3', '0.12']
    """
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float) -> str:
    """A ratio.

    >>> times(1.234), times(23.4)
    ('1.23×', '23.4×')
    """
    return f"{in_figures(value)}×"
