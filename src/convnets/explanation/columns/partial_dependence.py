"""Partial dependence: the mean answer over all rows when one column has the same value in each of them.

N rows, V values, K classes or numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnets.checkpoints.table_model import TableModel
from convnets.core.hardware import Hardware
from convnets.errors import ConfigError
from convnets.evaluation.evaluate_rows import answer_rows
from convnets.series.examples import encoded
from convnets.tables.table_set import Column, TableSet

__all__ = ["PartialDependence", "partial_dependence"]

_MOST_CATEGORIES = 12


@dataclass(frozen=True, eq=False)
class PartialDependence:
    """The mean answer by the value of one column."""

    column: str
    kind: str
    """number, category or date."""
    values: tuple[float | str, ...]
    """V values; dates in days since 1970."""
    answers: NDArray[np.float64]
    """V×K: mean probabilities of the classes, or mean numbers in their own unit."""
    names: tuple[str, ...]
    """K: classes or targets."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **vars(self),
            "values": list(self.values),
            "answers": self.answers.tolist(),
            "names": list(self.names),
        }


def partial_dependence(
    model: TableModel,
    table: TableSet,
    column: str,
    *,
    points: int = 20,
    most_rows: int = 1000,
    seed: int = 0,
    hardware: Hardware | None = None,
) -> PartialDependence:
    """Set `column` to one value after the other in every row, and average what the network answers.

    Numbers and dates take `points` values between their 5th and 95th percentile, categories each of the 12 most
    frequent. Of more than `most_rows` rows a sample by `seed` is taken. Where columns depend on each other some of
    these rows cannot exist; read the curve with that in mind. Friedman 2001, "Greedy function approximation".
    Raises DataError for a column that is not there, ConfigError for fewer than 2 points.
    """
    if points < 2:
        raise ConfigError(f"points is {points}; allowed: 2 or more")
    given = table.column(column)
    if len(table) > most_rows:
        table = table.subset(np.random.default_rng(seed).choice(len(table), most_rows, replace=False))
    stored, shown = _grid(given, points)
    others = tuple(each for each in table.columns if each.name != column)
    answers = []
    for value in stored:
        whole = np.full(1, value, dtype=given.whole.dtype)
        fixed = replace(given, whole=whole, rows=np.zeros(len(table), dtype=np.int64))
        rows = replace(table, columns=(*others, fixed), read_from=None)
        found = answer_rows(model.network, encoded(rows, model.encoder), hardware, table.source)
        answers.append(
            found.double().softmax(1).mean(0).numpy()
            if model.classes
            else model.target.decode(found.numpy()).mean(0)
        )
    names = model.classes or model.target.answer_names
    return PartialDependence(column, given.kind, tuple(shown), np.stack(answers), names)


def _grid(column: Column, points: int) -> tuple[list[Any], list[float | str]]:
    """Values as a column stores them, and as they are shown."""
    known = column.values[~column.missing]
    if column.kind == "category":
        counts = np.bincount(known, minlength=len(column.categories))
        codes = sorted(np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES].tolist())
        return codes, [column.categories[code] for code in codes]
    low, high = np.percentile(known, [5, 95]) if len(known) else (0.0, 1.0)
    found = np.linspace(low, high, points).tolist()
    return found, list(found)
