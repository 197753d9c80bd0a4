"""The result of asking networks through several engines: every slice, what they say together, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import geometric_mean
from typing import Any

from convnets.benchmarking.measures.slices import Ratio, Side, compare_sides
from convnets.benchmarking.result import OWN, in_figures, times
from convnets.checkpoints.onnx.onnx_copy import AnswersCompared

__all__ = ["PeerResult", "PeerRow"]

SCHEMA_VERSION = 1
_CONVENTIONS = {
    "milliseconds": "of one batch: median of the slices by wall clock, images in memory and normalized",
    "cpu_seconds_per_image": "of all threads, in steps of the system's clock; waiting for a core is not in it",
    "ratios": "how many times as fast convnets is: ratio of the medians; low and high are those within a round",
    "difference": "largest difference from the logits of convnets on 64 random images, as a share of the largest",
    "agreement": "share of these images with the same first class",
}


@dataclass(frozen=True)
class PeerRow:
    """One network at one batch size and number of threads."""

    network: str
    size: int
    """Side of the images in pixels."""
    batch: int
    threads: int
    sides: tuple[Side, ...]
    """convnets first."""
    answers: Mapping[str, AnswersCompared]
    """How far each side's answers are from ours, by its name."""

    @property
    def ratios(self) -> dict[str, Ratio]:
        """How many times as fast convnets is as each peer, by its name."""
        own, *others = self.sides
        return {other.name: compare_sides(own, other) for other in others}

    @property
    def fastest_peer(self) -> str | None:
        """Name of the peer with the least milliseconds; None where none took part."""
        return min(self.ratios, key=lambda name: self.ratios[name].median, default=None)

    def milliseconds(self, side: Side) -> tuple[float, float, float]:
        """Of a batch: median, fastest and slowest slice."""
        slow, fast = side.range
        whole = 1000 * self.batch
        return whole / side.images_per_second, whole / fast, whole / slow

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "network": self.network,
            "size": self.size,
            "batch": self.batch,
            "threads": self.threads,
            "sides": [
                {
                    **side.to_dict(),
                    "milliseconds": self.milliseconds(side)[0],
                    "difference": self.answers[side.name].error,
                    "agreement": self.answers[side.name].agreement,
                }
                for side in self.sides
            ],
            "ratios": {name: asdict(ratio) for name, ratio in self.ratios.items()},
        }


@dataclass(frozen=True)
class PeerResult:
    """All networks, batch sizes and numbers of threads of one run."""

    rows: tuple[PeerRow, ...]
    absent: Mapping[str, str]
    """Peers that did not take part, and why."""
    rounds: int
    seconds: float
    """That each slice was to last."""
    environment: Mapping[str, Any]
    """Machine, versions, command."""
    started: str
    """Local time, ISO 8601."""

    def geometric_means(self) -> dict[str, float]:
        """How many times as fast convnets is, over all rows: by peer, and as the fastest peer of each row."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, ratio in row.ratios.items():
                found.setdefault(name, []).append(ratio.median)
            if row.fastest_peer is not None:
                found.setdefault("the fastest peer", []).append(row.ratios[row.fastest_peer].median)
        return {name: geometric_mean(each) for name, each in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with every slice."""
        return {
            "schema_version": SCHEMA_VERSION,
            "started": self.started,
            "environment": dict(self.environment),
            "settings": {"rounds": self.rounds, "seconds": self.seconds},
            "conventions": _CONVENTIONS,
            "absent": dict(self.absent),
            "geometric_means": self.geometric_means(),
            "networks": [row.to_dict() for row in self.rows],
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and rows, one for each side."""
        header = (
            *("network", "size", "batch", "threads", "engine", "ms", "min–max"),
            *("processor ms", "convnets is", "difference", "top-1"),
        )
        return header, [_cells(row, side) for row in self.rows for side in row.sides]

    def notes(self) -> list[str]:
        """What the table leaves unsaid: the machine, the means, who was absent."""
        means = ", ".join(f"{times(value)} {name}" for name, value in self.geometric_means().items())
        lines = [
            f"medians of {self.rounds} slices of about {self.seconds:g} s in turn, on {self.environment['hardware']}",
            *([f"geometric means: convnets is {means}"] if means else []),
        ]
        return lines + [f"absent: {name}: {why}" for name, why in self.absent.items()]


def _cells(row: PeerRow, side: Side) -> tuple[str, ...]:
    first, answers, ratio = side.name == OWN, row.answers[side.name], row.ratios.get(side.name)
    median, low, high = map(in_figures, row.milliseconds(side))
    return (
        *((row.network, str(row.size), str(row.batch), str(row.threads)) if first else ("", "", "", "")),
        f"{side.name}, {side.precision}",
        median,
        f"{low}–{high}",
        in_figures(1000 * row.batch * side.median(lambda each: each.cpu_seconds / each.images)),
        "" if ratio is None else f"{times(ratio.median)} ({times(ratio.low)}–{times(ratio.high)})",
        "" if first else f"{answers.error:.0e}",
        "" if first else f"{answers.agreement:.0%}",
    )
