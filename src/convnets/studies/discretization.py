"""Discretization three ways: bins of equal width, of equal frequency, and by clusters, on a skewed column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from convnets.core.display.text_table import aligned
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import BLUE, LINE_COLORS, ORANGE, style_axes
from convnets.studies.study import Study
from convnets.tables.column_encoders import BINNINGS, fit_bins
from convnets.tables.table_set import Column

__all__ = ["DiscretizationStudy", "discretization"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class DiscretizationStudy(Study):
    """By method: edges, rows in each bin, and how much of the column and of a target is left in the bin's mean."""

    values: _Floats
    edges: dict[str, _Floats]
    counts: dict[str, NDArray[np.int64]]
    kept: dict[str, float]
    """Share of the column's variance that lies between the bins: 1 for no loss."""
    explained: dict[str, float]
    """R² on new rows of the target's mean by bin."""
    line: float
    """R² on new rows of a straight line, without bins."""

    title = "Discretization three ways"

    def figure(self) -> Figure:
        """The column with each method's edges, and the rows in each bin."""
        figure = Figure(figsize=(9.6, 5.2), layout="constrained")
        panels = figure.subplots(len(self.edges), 2)
        for (left, right), (name, edges), color in zip(panels, self.edges.items(), LINE_COLORS, strict=False):
            style_axes(left, f"{name}: edges", "value" if name == list(self.edges)[-1] else "")
            style_axes(right, f"{name}: rows in each bin", "bin" if name == list(self.edges)[-1] else "")
            left.hist(self.values, bins=80, color=BLUE, alpha=0.35)
            for edge in edges:
                left.axvline(edge, color=ORANGE, linewidth=1)
            right.bar(np.arange(1, len(edges)), self.counts[name], color=color)
        return figure

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the column itself."""
        lists = {
            key: {name: row.tolist() for name, row in getattr(self, key).items()}
            for key in ("edges", "counts")
        }
        return {**lists, "kept": self.kept, "explained": self.explained, "line": self.line}

    def __str__(self) -> str:
        rows = [
            (
                name,
                f"{self.counts[name].min():,} to {self.counts[name].max():,}",
                f"{self.kept[name]:.3f}",
                f"{self.explained[name]:.3f}",
            )
            for name in self.edges
        ]
        rows.append(("a line, no bins", "", "", f"{self.line:.3f}"))
        return aligned(
            ("method", "rows in a bin", "variance kept", "R² of the target"), rows, right=(1, 2, 3)
        )


def discretization(*, rows: int = 2000, bins: int = 8, seed: int = 0) -> DiscretizationStudy:
    """Cut a log-normal column, as incomes are, into `bins` bins by scikit-learn's three strategies.

    The target rises with the column's logarithm and has noise; each method predicts new rows by the mean of their
    bin. Equal width leaves most bins nearly empty where a column is skewed; clusters lose least of the column itself,
    as that is what k-means minimizes. Raises ConfigError for fewer than 100 rows, or bins out of 2 to 50.
    """
    if rows < 100 or not 2 <= bins <= 50:
        raise ConfigError(f"rows is {rows}, bins {bins}; allowed: 100 or more, and 2 to 50")
    rng = np.random.default_rng(seed)
    x, new = np.exp(rng.normal(0, 1, (2, rows)))
    y, true = (np.log(each) + rng.normal(0, 0.5, rows) for each in (x, new))
    edges, counts, kept, explained = {}, {}, {}, {}
    for method in BINNINGS:
        found = fit_bins(Column("x", "number", x), f"{method}:{bins}", seed)
        edges[method] = np.array(found.edges)
        inner = edges[method][1:-1]
        place, place_new = (np.searchsorted(inner, each, side="right") for each in (x, new))
        counts[method] = np.bincount(place, minlength=len(found.edges) - 1)
        means = _means(place, x, len(counts[method]))
        kept[method] = float(1 - ((x - means[place]) ** 2).mean() / x.var())
        predicted = _means(place, y, len(counts[method]))[place_new]
        explained[method] = _r2(true, predicted)
    slope, offset = np.polyfit(x, y, 1)
    return DiscretizationStudy(x, edges, counts, kept, explained, _r2(true, slope * new + offset))


def _means(place: NDArray[np.intp], values: _Floats, bins: int) -> _Floats:
    """The mean of each bin; that of all where it is empty."""
    sums, counts = np.bincount(place, values, bins), np.bincount(place, minlength=bins)
    return np.where(counts > 0, sums / np.maximum(counts, 1), values.mean())


def _r2(true: _Floats, predicted: _Floats) -> float:
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())
