"""How one column becomes numbers for a network: standardized, one-hot, or in bins. N rows, D numbers of each.

What is fitted are scikit-learn's own figures, kept as plain numbers, so that a model folder holds no code.
"""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convnets.errors import ConfigError, DataError
from convnets.tables.table_set import Column

__all__ = ["BINNINGS", "Bins", "Categories", "ColumnEncoder", "Standardized", "fit_bins", "fit_categories"]

# what a user calls them, and scikit-learn
BINNINGS = {"width": "uniform", "frequency": "quantile", "clusters": "kmeans"}
OTHER, MISSING = "(other)", "(missing)"


class ColumnEncoder(Protocol):
    """A column's name and kind, the names of what it becomes, and the way there."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def features(self) -> list[str]:
        """D names."""
        ...

    @property
    def one_hot(self) -> bool:
        """Whether one of the D numbers is 1 and the others 0."""
        ...

    def __call__(self, column: Column) -> NDArray[Any]:
        """One-hot: which of the D numbers is 1, int32 N. Else the first of them, float32 N, NaN for a missing value
        that the second one, the flag, tells of."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ...


@dataclass(frozen=True)
class Standardized:
    """(x − mean) / std of a number or date, the median where it is missing, and a flag that says so."""

    name: str
    kind: str
    median: float
    mean: float
    std: float
    flag: bool
    """Whether values were missing when it was fitted; else there is no flag to learn from."""

    @classmethod
    def fit(cls, column: Column) -> Standardized:
        """Median of what is known; mean and population standard deviation after filling, as scikit-learn has them."""
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import StandardScaler

        values = column.values[:, None]
        if column.missing.all():
            return cls(column.name, column.kind, 0.0, 0.0, 1.0, False)
        imputer = SimpleImputer(strategy="median").fit(values)
        scaler = StandardScaler().fit(imputer.transform(values))
        median, mean, std = imputer.statistics_[0], scaler.mean_[0], scaler.scale_[0]
        flag = bool(column.missing.any())
        return cls(column.name, column.kind, float(median), float(mean), float(std), flag)

    @property
    def features(self) -> list[str]:
        return [self.name, f"{self.name}={MISSING}"] if self.flag else [self.name]

    @property
    def one_hot(self) -> bool:
        return False

    @property
    def fill(self) -> float:
        """What stands for a missing value."""
        return (self.median - self.mean) / self.std

    def __call__(self, column: Column) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            found = ((column.values - self.mean) / self.std).astype(np.float32)
        if (far := np.isinf(found)).any():
            raise DataError(
                f"column {self.name!r}: {column.values[far][0]:g} is out of reach of what it was in training, "
                f"{self.mean:g} with a spread of {self.std:g}; correct the cell, or leave it empty"
            )
        if not self.flag:
            found[np.isnan(found)] = self.fill
        return found

    def to_dict(self) -> dict[str, Any]:
        return {"encoder": "standardized", **vars(self)}


@dataclass(frozen=True)
class Categories:
    """One column for each category, one for those that are rare or were never seen, one for missing."""

    name: str
    categories: tuple[str, ...]
    kind: str = "category"
    usual: str | None = None
    """The most frequent one; None where that was not recorded."""

    @property
    def features(self) -> list[str]:
        return [f"{self.name}={each}" for each in (*self.categories, OTHER, MISSING)]

    @property
    def one_hot(self) -> bool:
        return True

    def __call__(self, column: Column) -> NDArray[np.int32]:
        known = {name: place for place, name in enumerate(self.categories)}
        other = len(known)
        # of a code: where its one is; the last entry is that of code −1
        place = np.array([known.get(name, other) for name in column.categories] + [other + 1], np.int32)
        found: NDArray[np.int32] = place[column.values]
        return found

    def to_dict(self) -> dict[str, Any]:
        usual = {} if self.usual is None else {"usual": self.usual}
        return {"encoder": "categories", "name": self.name, "categories": list(self.categories), **usual}


def fit_categories(column: Column, most: int, fewest_rows: int) -> Categories:
    """The categories of at least `fewest_rows` rows, of these the `most` frequent, in their order."""
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.categories))
    frequent = np.argsort(-counts, kind="stable")[:most]
    kept = sorted(place for place in frequent.tolist() if counts[place] >= max(1, fewest_rows))
    usual = column.categories[int(frequent[0])] if kept else None
    return Categories(column.name, tuple(column.categories[place] for place in kept), usual=usual)


@dataclass(frozen=True)
class Bins:
    """One column for each bin of a number, and one for missing."""

    name: str
    edges: tuple[float, ...]
    """Of B bins B + 1 edges; the outer ones do not bound."""
    method: str
    kind: str = "number"

    @property
    def features(self) -> list[str]:
        names = [f"{self.name}:bin{place}" for place in range(1, len(self.edges))]
        return [*names, f"{self.name}={MISSING}"]

    @property
    def one_hot(self) -> bool:
        return True

    def __call__(self, column: Column) -> NDArray[np.int32]:
        bins = np.searchsorted(self.edges[1:-1], column.values, side="right")
        return np.where(column.missing, len(self.edges) - 1, bins).astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        return {"encoder": "bins", "name": self.name, "edges": list(self.edges), "method": self.method,
                "kind": self.kind}  # fmt: skip


def fit_bins(column: Column, rule: str, seed: int) -> Bins:
    """Bins by a rule such as `frequency:8`: of equal width, equally many rows, or by clusters (k-means).

    Raises ConfigError for another rule, and for a column of names.
    """
    method, _, count = rule.partition(":")
    if method not in BINNINGS or not count.isdigit() or not 2 <= int(count) <= 1000:
        raise ConfigError(
            f"bins of {column.name!r} are {rule!r}; allowed: width:8, frequency:8 or clusters:8, with 2 to 1000 bins"
        )
    if column.kind == "category":
        raise ConfigError(f"bins of {column.name!r}, which holds categories; allowed: columns of numbers")
    known = column.values[~column.missing]
    if len(np.unique(known)) < 2:
        raise ConfigError(
            f"bins of {column.name!r}, which holds fewer than 2 different numbers; leave it out"
        )
    return Bins(column.name, tuple(_edges(known, BINNINGS[method], int(count), seed)), method, column.kind)


def _edges(known: NDArray[np.float64], strategy: str, count: int, seed: int) -> list[float]:
    from sklearn.preprocessing import KBinsDiscretizer

    count = min(count, len(np.unique(known))) if strategy == "kmeans" else count
    options: dict[str, Any] = {"subsample": None, "random_state": seed}
    if "quantile_method" in inspect.signature(KBinsDiscretizer).parameters:  # of newer releases
        options["quantile_method"] = "averaged_inverted_cdf"  # which is to be their default
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that bins of no width were joined
        fitted = KBinsDiscretizer(count, encode="ordinal", strategy=strategy, **options).fit(known[:, None])
    return [float(edge) for edge in fitted.bin_edges_[0]]
