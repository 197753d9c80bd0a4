"""Judgment: what the checks say of a method over many images, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.explanation.belief.estimate import Estimate

__all__ = ["Judgment", "Judgments"]


@dataclass(frozen=True)
class Judgment:
    """Of one method, or of a control; None stands where a check was not made or makes no sense."""

    method: str
    deletion: Estimate
    """Area under the curve; the lower, the better."""
    insertion: Estimate
    """The higher, the better."""
    top_down: Estimate | None = None
    """Rank correlation with the maps of randomized networks, mean over the steps from the logits on, with signs."""
    top_down_absolute: Estimate | None = None
    """The same without signs."""
    bottom_up: Estimate | None = None
    """From the image on."""
    bottom_up_absolute: Estimate | None = None
    randomized: Estimate | None = None
    """With all layers randomized, with signs."""
    randomized_absolute: Estimate | None = None
    entropy_rise: Estimate | None = None
    """eMPRT."""
    sensitivity: Estimate | None = None
    energy: Estimate | None = None
    """Share of what is above zero that lies in the mask."""
    pointing: Estimate | None = None
    """Share of images where the largest value lies in the mask."""
    seconds: float | None = None
    """To make one map."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            found[each.name] = value.to_dict() if isinstance(value, Estimate) else value
        return found


@dataclass(frozen=True)
class Judgments:
    """Of several methods on the same images."""

    rows: tuple[Judgment, ...]
    """The controls last."""
    refused: dict[str, str]
    """Methods that cannot explain the network, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"methods": [row.to_dict() for row in self.rows], "refused": self.refused}

    def __str__(self) -> str:
        wanted = [each.name for each in fields(Judgment)[1:]]
        wanted = [name for name in wanted if any(getattr(row, name) is not None for row in self.rows)]
        rows = [[row.method, *(_shown(getattr(row, name)) for name in wanted)] for row in self.rows]
        return aligned(["method", *(name.replace("_", " ") for name in wanted)], rows)


def _shown(value: Estimate | float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
