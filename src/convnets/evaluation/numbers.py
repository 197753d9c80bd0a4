"""How good predicted numbers are: RMSE, MAE, R² and log-RMSE, and pinball loss of quantiles.

N rows, K numbers of each, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import InputError
from convnets.tables.quantiles import constant_quantiles, pinball

__all__ = ["SCORE_NAMES", "NumbersEvaluation", "number_measures", "quantile_measures"]

_Floats = NDArray[np.float64]
SCORE_NAMES = {"accuracy": "accuracy", "r1": "R¹", "r2": "R²"}
"""What one figure says how good a model is: of classes, of quantiles, of numbers."""


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


def quantile_measures(true: _Floats, bounds: _Floats, levels: Sequence[float]) -> dict[str, Any]:
    """Measures of the quantiles of one number, for true N and bounds N×Q, which rise along Q:

    - pinball: mean of `pinball_by_quantile`, the mean of max(q·(y − ŷ), (q − 1)·(y − ŷ)) by quantile, in y's unit
    - r1: 1 − pinball / that of the quantiles of y itself (Koenker & Machado 1999): 0 for these, negative for what is
      worse, None where y is constant
    - at_or_below: by quantile the share of rows that it should be, q, and is
    - coverage: share of rows from the first to the last quantile, of which `nominal` is meant; None with one quantile
    - width: mean distance of these two, in the unit of y

    Raises InputError for other lengths.

    >>> found = quantile_measures(np.array([1.0, 3.0]), np.array([[0.0, 2.0], [0.0, 2.0]]), (0.1, 0.9))
    >>> found["coverage"], found["width"], round(found["pinball"], 3)
    (0.5, 2.0, 0.35)
    """
    if true.ndim != 1 or not len(true) or bounds.shape != (len(true), len(levels)):
        raise InputError(
            f"true has shape {true.shape}, bounds {bounds.shape}; allowed: N, and N×{len(levels)}"
        )
    own = constant_quantiles(true[:, None], levels)
    each, least = (
        pinball(torch.tensor(given), torch.tensor(true)[:, None], levels)[:, 0].mean(0).tolist()
        for given in (bounds, own.repeat(len(true), 0))
    )
    names, below = [f"{level:g}" for level in levels], (true[:, None] <= bounds).mean(0).tolist()
    inside = (bounds[:, 0] <= true) & (true <= bounds[:, -1])
    several = len(levels) > 1
    return {
        "pinball": float(np.mean(each)),
        "r1": 1 - sum(each) / sum(least) if sum(least) else None,
        "coverage": float(inside.mean()) if several else None,
        "nominal": round(levels[-1] - levels[0], 12) if several else None,
        "width": float((bounds[:, -1] - bounds[:, 0]).mean()) if several else None,
        "pinball_by_quantile": dict(zip(names, each, strict=True)),
        "at_or_below": dict(zip(names, below, strict=True)),
    }


@dataclass(frozen=True, eq=False)
class NumbersEvaluation:
    """Predicted and true numbers of the rows; the measures follow from them.

    >>> found = NumbersEvaluation(np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]), ("y",), 0.1, 0.0, "")
    >>> found.measures["y"]["rmse"] == 0.5**0.5
    True
    """

    predicted: _Floats
    """N×K, in the numbers' own unit; of quantiles the one nearest to the median."""
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
    quantiles: tuple[float, ...] = ()
    """Q levels that were predicted of each number, if any."""
    bounds: _Floats | None = None
    """N×K×Q: their values, in the numbers' own unit, rising along Q."""

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

    @cached_property
    def of_quantiles(self) -> dict[str, dict[str, Any]]:
        """`quantile_measures` by the name of each number; empty where none were predicted."""
        if self.bounds is None:
            return {}
        return {
            name: quantile_measures(self.true[:, place], self.bounds[:, place], self.quantiles)
            for place, name in enumerate(self.names)
        }

    @property
    def r2(self) -> float:
        """Mean of the numbers' R²; 0 where it is not defined."""
        return float(np.mean([each["r2"] or 0.0 for each in self.measures.values()]))

    @property
    def accuracy(self) -> float:
        """R², of quantiles the mean of the numbers' R¹: what the best epoch is chosen by."""
        if self.bounds is None:
            return self.r2
        return float(np.mean([each["r1"] or 0.0 for each in self.of_quantiles.values()]))

    def figures(self) -> dict[str, Any]:
        """What a model folder states, with its protocol."""
        plain = {"measures": self.measures, "loss": self.loss, "rows": self.rows, "protocol": self.protocol}
        return plain if self.bounds is None else {**plain, "quantiles": self.of_quantiles}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.figures(), "seconds": self.seconds}

    def __str__(self) -> str:
        rows = [(name, *(_shown(value) for value in each.values())) for name, each in self.measures.items()]
        table = aligned(("number", "RMSE", "MAE", "R²", "log-RMSE"), rows, right=(1, 2, 3, 4))
        head = f"{self.rows:,} {self.examples} · {self.protocol}\n{table}"
        return head if self.bounds is None else f"{head}\n\n{self._table_of_quantiles()}"

    __repr__ = __str__

    def _table_of_quantiles(self) -> str:
        levels = [f"q{level:g}" for level in self.quantiles]
        heads = ["number", "R¹", "pinball", *levels] if len(levels) > 1 else ["number", "R¹", "pinball"]
        inside = [f"in {levels[0]}–{levels[-1]}", "meant", "width"] if len(levels) > 1 else []
        rows = []
        for name, each in self.of_quantiles.items():
            shown = [each["r1"], each["pinball"]]
            if inside:
                shown += [
                    *each["pinball_by_quantile"].values(),
                    each["coverage"],
                    each["nominal"],
                    each["width"],
                ]
            rows.append((name, *map(_shown, shown)))
        return aligned((*heads, *inside), rows, right=range(1, len(heads) + len(inside)))


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
