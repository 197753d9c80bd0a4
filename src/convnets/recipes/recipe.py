"""Recipe: a run with a name — network, data, options — and the score it is expected to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convnets.core.display.renderers import renderer
from convnets.training.config import TrainConfig

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Everything that `train` needs, as data."""

    name: str
    """Family and network, such as notes/lenet."""
    summary: str
    """One line: what it is for."""
    network: str
    """Name in the catalogue."""
    data: str
    """Name of the data set."""
    config: TrainConfig
    expected_accuracy: float
    """Share of the test images classified right that a run is expected to reach."""
    expected_source: str
    """Who measured it, and how."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `create_model`."""

    def _repr_html_(self) -> str:
        return renderer(self, "html")(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "summary": self.summary,
            "network": self.network,
            "arguments": dict(self.arguments),
            "data": self.data,
            "expected_accuracy": self.expected_accuracy,
            "expected_source": self.expected_source,
            "options": self.config.to_dict(),
        }
