"""What a search has found: its trials, and the best of them as a configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.errors import RunError
from convnets.selection.search.choice import resolve
from convnets.selection.search.costs import pareto_front
from convnets.selection.search.space import Space
from convnets.training.config import TrainConfig
from convnets.training.options.toml_file import ARGUMENTS

__all__ = ["Search", "Tried"]


@dataclass(frozen=True)
class Tried:
    """One trial."""

    number: int
    accuracy: float | None
    """Of its best epoch on validation images; None where it was pruned."""
    options: dict[str, Any]
    cost: float | None = None
    """What accuracy is weighed against; None where nothing is."""


@dataclass(frozen=True, eq=False)
class Search:
    """The folder of a search."""

    path: Path
    settings: dict[str, Any]
    tried: tuple[Tried, ...]
    """In the order in which they were begun."""
    stopped: str | None = None
    space: Space = field(default_factory=dict)

    @property
    def best(self) -> Tried:
        """The trial of the highest validation accuracy; RunError before one has ended."""
        ended = [each for each in self.tried if each.accuracy is not None]
        if not ended:
            raise RunError(f"{self.path}: no trial has ended; go on with --resume")
        return max(ended, key=lambda each: each.accuracy or 0.0)

    @property
    def front(self) -> tuple[Tried, ...]:
        """The trials that no other beats in accuracy without costing more, cheapest first."""
        ended = [each for each in self.tried if each.accuracy is not None and each.cost is not None]
        points = [(each.cost or 0.0, each.accuracy or 0.0) for each in ended]
        return tuple(ended[place] for place in pareto_front(points))

    def toml(self) -> str:
        """The best options as TOML for `convnets train --config`; the network's arguments have a table of their own."""
        best = resolve(self.best.options, self.settings)
        defaults = TrainConfig().to_dict()
        lines = [
            f"# trial {self.best.number} of {len(self.tried)}: {self.best.accuracy:.4f} on validation images"
        ]
        for name, value in best.options.items():
            if value is not None and value != defaults.get(name):
                lines.append(f"{name} = {json.dumps(value)}")
        if best.arguments:
            lines += ["", f"[{ARGUMENTS}]  # of {self.settings['network']}"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in best.arguments.items()]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        against = self.settings["against"]
        lacking = () if against else ("cost",)
        rows = [
            {key: value for key, value in each.__dict__.items() if key not in lacking} for each in self.tried
        ]
        front = {"front": [each.number for each in self.front]} if against else {}
        return {
            **self.settings,
            "stopped": self.stopped,
            "trials": rows,
            "best": self.best.number,
            **front,
        }

    def __str__(self) -> str:
        against = self.settings["against"]
        ranked = sorted(self.tried, key=lambda each: -(each.accuracy or 0.0))[:10]
        shown = list(self.front) if against else ranked
        names = list(ranked[0].options) if ranked else []
        rows = [
            [
                str(each.number),
                "pruned" if each.accuracy is None else f"{each.accuracy:.4f}",
                *((_cost(each.cost or 0.0),) if against else ()),
                *(_shown(each.options.get(name)) for name in names),
            ]
            for each in shown
        ]
        head = ("trial", "validation", *((against,) if against else ()), *names)
        said = f"{len(self.tried)} trials"
        if against:
            said += f"; {len(shown)} that no other beats in accuracy and {against} alike"
        return f"{said}\n\n{aligned(head, rows, right=range(len(head)))}"


def _cost(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
