"""Slices: a few seconds of one side's work each, and what they say together."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Ratio", "Side", "Slice", "compare_sides"]


@dataclass(frozen=True)
class Slice:
    """One side's work between two of the others'."""

    images: int
    seconds: float
    """Wall-clock seconds."""
    waiting_seconds: float
    """Of these, seconds until the batches were there."""
    cpu_seconds: float
    """Processor seconds of all of the side's processes, user and system."""
    peak_bytes: int
    """Most resident memory of all of the side's processes together."""
    joules: float | None
    """Drawn by the processor meanwhile; None where the machine does not tell."""
    loss: float | None
    """Mean cross-entropy of the slice in nats."""

    @property
    def images_per_second(self) -> float:
        """By wall clock."""
        return self.images / self.seconds

    @property
    def images_per_second_without_waiting(self) -> float:
        """The time in which the batches were waited for left out."""
        return self.images / max(self.seconds - self.waiting_seconds, 1e-9)


@dataclass(frozen=True)
class Side:
    """All slices of one loop, in the order of the rounds."""

    name: str
    """convnets, compiled, hand-tuned or standard."""
    precision: str
    """Of convolutions and matrix products: fp32 or bf16."""
    steps: int
    """Steps of each slice."""
    slices: tuple[Slice, ...]
    kernels: Mapping[str, Any] = field(default_factory=dict)
    """What it computed with, where it had a choice: native kernels or not, and those of each convolution."""

    def median(self, figure: Callable[[Slice], float]) -> float:
        """Median over the slices."""
        return statistics.median(figure(each) for each in self.slices)

    @property
    def images_per_second(self) -> float:
        """Median by wall clock."""
        return self.median(lambda each: each.images_per_second)

    @property
    def range(self) -> tuple[float, float]:
        """Slowest and fastest slice, images per second."""
        speeds = [each.images_per_second for each in self.slices]
        return min(speeds), max(speeds)

    @property
    def joules_per_image(self) -> float | None:
        """Median; None where the machine does not tell."""
        if any(each.joules is None for each in self.slices):
            return None
        return self.median(lambda each: (each.joules or 0.0) / each.images)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: medians first, then every slice."""
        low, high = self.range
        return {
            "name": self.name,
            "precision": self.precision,
            "steps": self.steps,
            "images_per_second": self.images_per_second,
            "images_per_second_min": low,
            "images_per_second_max": high,
            "images_per_second_without_waiting": self.median(lambda s: s.images_per_second_without_waiting),
            "cpu_seconds_per_image": self.median(lambda each: each.cpu_seconds / each.images),
            "peak_bytes": max(each.peak_bytes for each in self.slices),
            "joules_per_image": self.joules_per_image,
            "kernels": dict(self.kernels),
            "slices": [asdict(each) for each in self.slices],
        }


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one side is as another, by wall clock."""

    median: float
    """Of the two medians."""
    low: float
    """Smallest ratio within a round."""
    high: float
    """Largest ratio within a round."""


def compare_sides(one: Side, other: Side) -> Ratio:
    """`one` as a multiple of `other`.

    >>> def slices(*seconds: float) -> tuple[Slice, ...]:
    ...     return tuple(Slice(100, each, 0.0, each, 0, None, None) for each in seconds)
    >>> fast, slow = Side("a", "fp32", 1, slices(1.0, 2.0, 1.0)), Side("b", "fp32", 1, slices(4.0, 4.0, 5.0))
    >>> compare_sides(fast, slow)
    Ratio(median=4.0, low=2.0, high=5.0)
    """
    rounds = [a.images_per_second / b.images_per_second for a, b in _pairs(one.slices, other.slices)]
    return Ratio(one.images_per_second / other.images_per_second, min(rounds), max(rounds))


def _pairs(one: Sequence[Slice], other: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    return list(zip(one, other, strict=True))
