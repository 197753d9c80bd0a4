"""Segments: how good a network is on the rows that have a value of one column in common.

N rows, K classes or numbers, S segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from convnets.core.display.text_table import aligned
from convnets.errors import DataError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.intervals import wilson_interval
from convnets.evaluation.numbers import NumbersEvaluation, number_measures, quantile_measures
from convnets.tables.table_set import Column

__all__ = ["Segment", "Segments", "cut_column", "evaluate_segments", "rmse_interval"]

_MISSING = "(missing)"
_MOST_VALUES = 4  # of a column of numbers that are segments themselves: as many as quarters
_MOST_SHOWN = 30
_FEWEST_ROWS = 8  # from which on an interval of numbers says something
_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """Some of the rows, and the measures on them."""

    name: str
    rows: int
    measures: dict[str, dict[str, Any]]
    """Of classes `accuracy` by the word `class`; of numbers by their names all of `number_measures`, of quantiles too.

    `accuracy_interval`, `rmse_interval` and `coverage_interval` are 95 % intervals, None where none can be given.
    """

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Segments:
    """Measures by segment of one column."""

    column: str
    kind: str
    """number, category or date."""
    segments: tuple[Segment, ...]
    """S; numbers and dates rising, categories by their rows, the most first; missing values last."""
    whole: Segment
    """All rows."""
    examples: str = "rows"
    """What was evaluated, for people."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "column": self.column,
            "kind": self.kind,
            "segments": [each.to_dict() for each in self.segments],
            "all": self.whole.to_dict(),
        }

    @property
    def shown(self) -> tuple[Segment, ...]:
        """All segments, or of more than 30 the first 30: what a table has room for."""
        return self.segments[:_MOST_SHOWN]

    def __str__(self) -> str:
        lines = [_row(each, name) for each in (*self.shown, self.whole) for name in each.measures]
        several = len(self.whole.measures) > 1
        heads = [self.column, "target", self.examples, *_heads(next(iter(self.whole.measures.values())))]
        kept = [place for place in range(len(heads)) if several or place != 1]
        rows = [[row[place] for place in kept] for row in lines]
        table = aligned(
            [heads[place] for place in kept], rows, right=range(len(kept) - len(heads) + 2, len(kept))
        )
        left = len(self.segments) - len(self.shown)
        return f"{table}\n({len(self.shown)} segments of {len(self.segments):,})" if left else table

    __repr__ = __str__


def cut_column(column: Column) -> list[tuple[str, _Mask]]:
    """The segments of a column by name, each as a mask N, none of them empty.

    Categories are segments as they are, the most frequent first. Numbers and dates are cut at their quartiles, each
    segment with its upper end; where there are four values or fewer, each is one. Missing values are the last.

    >>> [name for name, _ in cut_column(Column("age", "number", np.arange(9.0)))]
    ['up to 2', '2 to 4', '4 to 6', 'above 6']
    """
    values, missing = column.values, column.missing
    if column.kind == "category":
        counts = np.bincount(values[~missing], minlength=len(column.categories))
        order = np.argsort(-counts, kind="stable")
        found = [(column.categories[code], values == code) for code in order.tolist()]
    else:
        found = _quarters(values, ~missing, dates=column.kind == "date")
    return [(name, mask) for name, mask in (*found, (_MISSING, missing)) if mask.any()]


def _quarters(values: NDArray[np.float64], known: _Mask, *, dates: bool) -> list[tuple[str, _Mask]]:
    different = np.unique(values[known])
    if len(different) <= _MOST_VALUES:
        return [
            (name, values == value)
            for name, value in zip(_named(different, dates=dates), different, strict=True)
        ]
    ends = np.unique(np.quantile(values[known], [0.25, 0.5, 0.75]))
    shown = _named(ends, dates=dates)
    names = [
        f"up to {shown[0]}",
        *(f"{low} to {high}" for low, high in pairwise(shown)),
        f"above {shown[-1]}",
    ]
    places = np.searchsorted(ends, values)
    return [(name, known & (places == place)) for place, name in enumerate(names)]


def _named(values: NDArray[np.float64], *, dates: bool) -> list[str]:
    """Short, and yet each its own: four digits where these tell them apart."""
    if dates:
        return [str(np.datetime64(math.floor(value), "D")) for value in values.tolist()]
    short = [_number(value) for value in values.tolist()]
    return short if len(set(short)) == len(short) else [repr(value) for value in values.tolist()]


def rmse_interval(
    true: NDArray[np.float64], predicted: NDArray[np.float64], level: float = 0.95
) -> list[float] | None:
    """The interval of the RMSE, by the spread of the squared errors e² around their mean m; None for fewer than 8 rows.

    √m · exp(±t·s(e²) / (2·m·√n)), t of n − 1 degrees of freedom: the delta method on the logarithm, whose ends stay
    above 0. Rows are taken to be independent. It is a little short for few rows and errors with long tails: meant for
    95 %, it holds the true RMSE in 91 % (normal errors) and 85 % (Laplace's) of samples of 11 rows, in 93 % and 90 %
    of 50.

    >>> rmse_interval(np.zeros(8), np.ones(8))
    [1.0, 1.0]
    """
    squares = (predicted - true) ** 2
    count, mean = len(squares), float(squares.mean())
    if count < _FEWEST_ROWS:
        return None
    if not mean:
        return [0.0, 0.0]
    quantile = float(special.stdtrit(count - 1, (1 + level) / 2))  # Student's t
    half = quantile * float(squares.std(ddof=1)) / (2 * mean * math.sqrt(count))
    return [math.sqrt(mean) * math.exp(-half), math.sqrt(mean) * math.exp(half)]


def evaluate_segments(evaluation: Evaluation | NumbersEvaluation, column: Column) -> Segments:
    """The measures of an evaluation by the segments of `column`, which has a value for each evaluated row.

    Intervals are given where rows are independent, which windows of one series are not. Raises DataError for a column
    of another length.

    >>> numbers = NumbersEvaluation(np.ones((4, 1)), np.array([[1.0], [1], [2], [2]]), ("y",), 0.1, 0.0, "")
    >>> found = evaluate_segments(numbers, Column("side", "category", np.array([0, 0, 1, 1]), ("a", "b")))
    >>> [(each.name, each.measures["y"]["rmse"]) for each in found.segments]
    [('a', 0.0), ('b', 1.0)]
    """
    rows = evaluation.images if isinstance(evaluation, Evaluation) else evaluation.rows
    if len(column) != rows:
        raise DataError(f"column {column.name!r} has {len(column):,} rows, and {rows:,} were evaluated")
    segments = tuple(_segment(name, mask, evaluation) for name, mask in cut_column(column))
    whole = _segment("all", np.ones(rows, dtype=bool), evaluation)
    return Segments(column.name, column.kind, segments, whole, evaluation.examples)


def _segment(name: str, mask: _Mask, evaluation: Evaluation | NumbersEvaluation) -> Segment:
    count, independent = int(mask.sum()), evaluation.examples != "windows"
    if isinstance(evaluation, Evaluation):
        right = (evaluation.probabilities.argmax(1) == evaluation.labels).numpy()
        hits = int(right[mask].sum())
        interval = list(wilson_interval(hits, count)) if independent else None
        return Segment(name, count, {"class": {"accuracy": hits / count, "accuracy_interval": interval}})
    measures = {}
    for place, target in enumerate(evaluation.names):
        true, predicted = evaluation.true[mask, place], evaluation.predicted[mask, place]
        found: dict[str, Any] = dict(number_measures(true, predicted))
        found["rmse_interval"] = rmse_interval(true, predicted) if independent else None
        if evaluation.bounds is not None:
            found |= quantile_measures(true, evaluation.bounds[mask, place], evaluation.quantiles)
            share = found["coverage"]
            known = independent and share is not None
            found["coverage_interval"] = list(wilson_interval(round(share * count), count)) if known else None
        measures[target] = found
    return Segment(name, count, measures)


def _heads(measures: dict[str, Any]) -> list[str]:
    if "accuracy" in measures:
        return ["accuracy", "95 %"]
    quantiles = ["pinball", "covered", "95 %", "width"] if "pinball" in measures else []
    return ["RMSE", "95 %", "MAE", "R²", *quantiles]


def _row(segment: Segment, target: str) -> list[str]:
    found, cells = segment.measures[target], [segment.name, target, f"{segment.rows:,}"]
    if "accuracy" in found:
        return [*cells, f"{found['accuracy']:.3f}", _between(found["accuracy_interval"])]
    cells += [
        _number(found["rmse"]),
        _between(found["rmse_interval"]),
        _number(found["mae"]),
        _number(found["r2"]),
    ]
    if "pinball" in found:
        cells += [_number(found["pinball"]), _number(found["coverage"]), _between(found["coverage_interval"])]
        cells += [_number(found["width"])]
    return cells


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _between(interval: list[float] | None) -> str:
    return (
        "–"
        if interval is None
        else "–".join(f"{end:.3g}" if end < 1e3 else f"{end:,.0f}" for end in interval)
    )
