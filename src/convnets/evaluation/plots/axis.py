"""One axis of a chart: its limits, its ticks and the words at them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "nice_ticks", "number_text", "percent_text"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def nice_ticks(low: float, high: float, most: int = 6, whole: bool = False) -> list[float]:
    """Round numbers from `low` to `high`, at most `most`, and whole ones if asked; one at least.

    >>> nice_ticks(0.13, 0.92)
    [0.2, 0.4, 0.6, 0.8]
    >>> nice_ticks(1, 3, whole=True)
    [1, 2, 3]
    """
    span = high - low
    if not span > 0:
        return [low]
    scale = 10.0 ** math.floor(math.log10(span / most))
    scale = max(scale, 1.0) if whole else scale
    for step in (factor * scale * power for power in (1, 10, 100) for factor in _STEPS):
        if whole and step != round(step):
            continue
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            ticks = [round(place * step, 12) for place in range(first, last + 1)]
            return [round(tick) if whole else tick for tick in ticks] or [low]
    raise AssertionError("a step of the whole span leaves two ticks at most")


def number_text(value: float) -> str:
    """Four digits at most.

    >>> number_text(0.12345), number_text(2500.0)
    ('0.1235', '2500')
    """
    return f"{value:.4g}"


def percent_text(value: float) -> str:
    """A share in percent.

    >>> percent_text(0.25), percent_text(0.995)
    ('25%', '99.5%')
    """
    return f"{100 * value:.4g}%"


@dataclass
class Axis:
    """Limits that are not given follow from what is drawn, with `margin` of its span on both sides."""

    label: str = ""
    low: float | None = None
    high: float | None = None
    margin: float = 0.05
    whole: bool = False
    """Ticks at whole numbers only."""
    most: int = 6
    """Ticks at most."""
    words: Callable[[float], str] = number_text
    ticks: Sequence[tuple[float, str]] | None = None
    """Place and words of each tick, instead of round numbers."""
    upright: bool = False
    """Words at the ticks stand on end."""

    def limits(self, values: Sequence[float]) -> tuple[float, float]:
        """Lowest and highest place on this axis, given all `values` drawn along it."""
        found = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(found), max(found)
        alike = high - low <= 1e-9 * max(abs(low), abs(high))  # or ticks could not be told apart
        room = (0.05 * abs(high) or 0.5) if alike else self.margin * (high - low)
        return (
            low - room if self.low is None else self.low,
            high + room if self.high is None else self.high,
        )

    def marked(self, limits: tuple[float, float]) -> list[tuple[float, str]]:
        """Place and words of each tick within `limits`."""
        if self.ticks is not None:
            return list(self.ticks)
        ticks = nice_ticks(min(limits), max(limits), self.most, self.whole)
        return [(tick, self.words(tick)) for tick in ticks]
