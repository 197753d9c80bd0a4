"""How much each column of a table, or channel of series, matters: what is lost when its values are mixed up.

N examples, D numbers of each, R repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convnets.checkpoints.table_model import TableModel
from convnets.core.display.text_table import aligned
from convnets.core.hardware import Hardware
from convnets.errors import ConfigError
from convnets.evaluation.evaluate_rows import answer_rows
from convnets.evaluation.numbers import number_measures
from convnets.series.examples import ExampleSet, encoded
from convnets.tables.encoded_rows import Inputs

__all__ = ["ColumnImportance", "column_importance"]


@dataclass(frozen=True, eq=False)
class ColumnImportance:
    """By column what accuracy or R² loses when its values are dealt out anew among the examples.

    Of quantiles it is the R² of the one nearest to the median.
    """

    measure: str
    """accuracy or R²."""
    score: float
    """As it is."""
    drops: dict[str, NDArray[np.float64]]
    """By column R losses; the greatest mean first. Below 0: the score rose."""
    source: str
    examples: int

    @property
    def means(self) -> dict[str, float]:
        """By column the mean loss."""
        return {name: float(drops.mean()) for name, drops in self.drops.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "measure": self.measure,
            "score": self.score,
            "source": self.source,
            "examples": self.examples,
            "drops": {name: drops.tolist() for name, drops in self.drops.items()},
        }

    def __str__(self) -> str:
        rows = [
            (name, f"{drops.mean():.4f}", f"{drops.std(ddof=1) if len(drops) > 1 else 0.0:.4f}")
            for name, drops in self.drops.items()
        ]
        head = (
            f"{self.source}: {self.measure} {self.score:.4f} on {self.examples:,}; without a column it loses"
        )
        return f"{head}\n{aligned(('column', 'mean', 'spread'), rows, right=(1, 2))}"


def column_importance(
    model: TableModel,
    examples: ExampleSet,
    *,
    repeats: int = 5,
    seed: int = 0,
    hardware: Hardware | None = None,
) -> ColumnImportance:
    """Deal each column's values out anew among the examples, and measure what the network loses.

    Two columns that tell the same hide each other: without one the network goes by the other. Breiman 2001, "Random
    forests", section 10, for any model. Raises ConfigError for fewer than 1 repeat, DataError for examples that lack
    a column or the target.
    """
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}; allowed: 1 or more")
    inputs = encoded(examples, model.encoder)
    expected = model.target.encode(examples)

    def score(given: Inputs) -> float:
        answers = answer_rows(model.network, given, hardware, examples.source)
        if model.classes:
            return float((answers.argmax(1).numpy() == expected).mean())
        found = [
            number_measures(expected[:, place].astype(np.float64), column.astype(np.float64))["r2"]
            for place, column in enumerate(model.target.single(answers.numpy()).T)
        ]
        return float(np.mean([each or 0.0 for each in found]))

    whole = score(inputs)
    draws = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(examples), generator=draws) for _ in range(repeats)]
    drops = {
        name: np.array([whole - score(_Mixed(inputs, group, order)) for order in orders])
        for name, group in model.encoder.groups.items()
    }
    return ColumnImportance(
        "accuracy" if model.classes else "R²",
        whole,
        dict(sorted(drops.items(), key=lambda item: -item[1].mean())),
        examples.source,
        len(examples),
    )


@dataclass(frozen=True, eq=False)
class _Mixed:
    """Inputs of which one group of numbers comes from other examples."""

    inputs: Inputs
    group: slice
    order: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Any) -> Tensor:
        found = self.inputs[rows].clone()
        found[:, self.group] = self.inputs[self.order[rows]][:, self.group]
        return found

    @property
    def nbytes(self) -> int:
        return self.inputs.nbytes

    def to(self, device: torch.device | str) -> _Mixed:
        return _Mixed(self.inputs.to(device), self.group, self.order.to(device))
