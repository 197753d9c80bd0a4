"""Verdict: what a check says about a map, with its number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """One check of one map, in a sentence that a reader can act on."""

    check: str
    """Such as `randomization`."""
    value: float | None
    """The number that it rests on; None where it could not be measured."""
    passed: bool | None
    """Whether the map stood the check; None where it neither stood nor failed it."""
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return self.words
