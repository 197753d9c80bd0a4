"""How good predicted numbers are: RMSE, MAE, R² and log-RMSE. N rows, K numbers of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import InputError

__all__ = ["NumbersEvaluation", "number_measures"]

_Floats = NDArray[np.float64]


def number_measures(true: _Floats, predicted: _Floats) -> dict[str, float | None]:
    """Measures of one number, N each: `rmse`, `mae`, `r2`, and `log_rmse` where all true numbers are above 0.

    - rmse: √(mean (ŷ − y)²), in the unit of y
    - mae: mean |ŷ − y|
    - r2: 1 − Σ(ŷ − y)² / Σ(y − ȳ)²; 0 for the mean, negative for what is worse; None where y is constant
    - log_rmse: √(mean (log ŷ − log y)²), an error in shares of y; predictions below 1 count as 1, as in the book

    Raises InputError for other lengths.

    >>> number_measures(np.array([1.0, 3.0]), np.array([1.0, 2.0]))["mae"]
    0.5
    """
    if true.shape != predicted.shape or true.ndim != 1 or not len(true):
        raise InputError(f"true has shape {true.shape}, predicted {predicted.shape}; allowed: N numbers each")
    error = predicted - true
    spread = float(((true - true.mean()) ** 2).sum())
    logarithms = np.log(np.maximum(predicted, 1)) - np.log(true) if (true > 0).all() else None
    return {
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "r2": 1 - float((error**2).sum()) / spread if spread else None,
        "log_rmse": None if logarithms is None else float(np.sqrt((logarithms**2).mean())),
    }


@dataclass(frozen=True, eq=False)
class NumbersEvaluation:
    """Predicted and true numbers of the rows; the measures follow from them.

    >>> found = NumbersEvaluation(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), ("y",), 0.1, 0.0, "")
    >>> found.measures["y"]["rmse"] == 0.5**0.5
    True
    """

    predicted: _Floats
    """N×K, in the numbers' own unit."""
    true: _Floats
    """N×K."""
    names: tuple[str, ...]
    """K."""
    loss: float
    """Mean training loss, on standardized numbers."""
    seconds: float
    protocol: str
    examples: str = "rows"
    """What was evaluated, for people."""

    @property
    def rows(self) -> int:
        """How many rows were evaluated."""
        return len(self.true)

    @cached_property
    def measures(self) -> dict[str, dict[str, float | None]]:
        """By the name of each number."""
        return {
            name: number_measures(self.true[:, place], self.predicted[:, place])
            for place, name in enumerate(self.names)
        }

    @property
    def r2(self) -> float:
        """Mean of the numbers' R²; 0 where it is not defined."""
        return float(np.mean([each["r2"] or 0.0 for each in self.measures.values()]))

    @property
    def accuracy(self) -> float:
        """R², what the best epoch is chosen by."""
        return self.r2

    def figures(self) -> dict[str, Any]:
        """What a model folder states, with its protocol."""
        return {"measures": self.measures, "loss": self.loss, "rows": self.rows, "protocol": self.protocol}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.figures(), "seconds": self.seconds}

    def __str__(self) -> str:
        rows = [(name, *(_shown(value) for value in each.values())) for name, each in self.measures.items()]
        table = aligned(("number", "RMSE", "MAE", "R²", "log-RMSE"), rows, right=(1, 2, 3, 4))
        return f"{self.rows:,} {self.examples} · {self.protocol}\n{table}"

    __repr__ = __str__


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
