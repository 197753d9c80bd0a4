"""Hit: one image that a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convnets.data.images.names import printable
from convnets.retrieval.entries import LABEL, Value

__all__ = ["Hit"]


@dataclass(frozen=True)
class Hit:
    """Where the image lies, its class, and how far its vector is from the query's.

    >>> Hit("a.png", 0.6, {"class": "cat"}).label
    'cat'
    """

    path: str
    """File, member of a zip (ZIP/MEMBER), or place in a data set (fashion-mnist/train/17)."""
    distance: float
    """Euclidean distance of the two unit vectors: 0 equal, √2 nothing in common, 2 opposite."""
    metadata: Mapping[str, Value] = field(default_factory=dict)
    """The other columns of the index, the class among them."""

    @property
    def label(self) -> str | None:
        """The class name; None for an image without one."""
        value = self.metadata.get(LABEL)
        return None if value is None else str(value)

    @property
    def similarity(self) -> float:
        """Cosine of the angle between the vectors, 1 − distance²/2."""
        return 1 - self.distance**2 / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        others = {name: value for name, value in self.metadata.items() if name != LABEL}
        return {"path": printable(self.path), "label": self.label, "distance": self.distance, **others}
