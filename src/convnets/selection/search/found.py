"""What a search has found: its trials, and the best of them as a configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.errors import RunError
from convnets.selection.search.choice import resolve
from convnets.training.config import TrainConfig

__all__ = ["Search", "Tried"]


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    accuracy: float | None
    """Of its best epoch on validation images; None where it was pruned."""
    options: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Search:
    """The folder of a search."""

    path: Path
    settings: dict[str, Any]
    tried: tuple[Tried, ...]
    """In the order in which they were begun."""
    stopped: str | None = None

    @property
    def best(self) -> Tried:
        """The trial of the highest validation accuracy; RunError before one has ended."""
        ended = [each for each in self.tried if each.accuracy is not None]
        if not ended:
            raise RunError(f"{self.path}: no trial has ended; go on with --resume")
        return max(ended, key=lambda each: each.accuracy or 0.0)

    def toml(self) -> str:
        """The best options as TOML that `convnets train --config` takes; the network's arguments as comments."""
        best = resolve(self.best.options, self.settings["options"], self.settings["argument_names"])
        defaults = TrainConfig().to_dict()
        lines = [
            f"# trial {self.best.number} of {len(self.tried)}: {self.best.accuracy:.4f} on validation images"
        ]
        for name, value in best.arguments.items():
            lines.append(f"# argument of {self.settings['network']}: {name} = {json.dumps(value)}")
        for name, value in best.options.items():
            if value is not None and value != defaults.get(name):
                lines.append(f"{name} = {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [each.__dict__ for each in self.tried]
        return {**self.settings, "stopped": self.stopped, "trials": rows, "best": self.best.number}

    def __str__(self) -> str:
        ranked = sorted(self.tried, key=lambda each: -(each.accuracy or 0.0))[:10]
        names = list(ranked[0].options) if ranked else []
        rows = [
            [
                str(each.number),
                "pruned" if each.accuracy is None else f"{each.accuracy:.4f}",
                *(_shown(each.options.get(name)) for name in names),
            ]
            for each in ranked
        ]
        columns = range(len(names) + 2)
        return f"{len(self.tried)} trials\n\n{aligned(('trial', 'validation', *names), rows, right=columns)}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
