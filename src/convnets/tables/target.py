"""Target: what a network learns to say of a row, and how its answer is read. N rows, K classes or numbers, Q quantiles.

Numbers are learned standardized, of prices their logarithm where asked, and come back in their own unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convnets.errors import ConfigError, DataError
from convnets.tables.quantiles import are_quantiles, middle_place
from convnets.tables.table_set import Column

__all__ = ["Target"]

_MOST_CLASSES_OF_NUMBERS = 20


class Targeted(Protocol):
    """Examples with their targets, such as a TableSet."""

    @property
    def source(self) -> str: ...

    @property
    def targets(self) -> tuple[Column, ...]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def column(self, name: str) -> Column: ...


@dataclass(frozen=True)
class Target:
    """Columns to predict: one of classes, or one or several of numbers.

    >>> price = Target(("price",), mean=(11.0,), std=(0.5,), logarithm=True)
    >>> price.decode(np.zeros((1, 1))).round().tolist()
    [[59874.0]]
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """Names of the classes; empty for numbers."""
    mean: tuple[float, ...] = ()
    """Of each number in the training rows, of its logarithm where that is learned."""
    std: tuple[float, ...] = ()
    logarithm: bool = False
    quantiles: tuple[float, ...] = ()
    """Q levels that are learned of each number, rising; empty for the number itself."""

    @classmethod
    def fit(cls, table: Targeted, *, logarithm: bool = False, quantiles: Sequence[float] = ()) -> Target:
        """Classes of a category; mean and spread of numbers, which are those of the rows of `table` alone.

        Raises DataError where a target is missing, constant, or has no logarithm.
        """
        if not table.targets:
            raise DataError(
                f"{table.source}: no target; say which column to predict (--target NAME): "
                f"{', '.join(table.names)[:200]}"
            )
        names = tuple(column.name for column in table.targets)
        for column in table.targets:
            _check(column, table.source)
        if any(column.kind == "category" for column in table.targets):
            return cls._of_classes(table)
        values = np.stack([column.values for column in table.targets], axis=1)
        if logarithm and (values <= 0).any():
            row, place = np.argwhere(values <= 0)[0].tolist()
            loss, other = ("log-pinball", "pinball") if quantiles else ("log-rmse", "squared")
            raise DataError(
                f"{table.source}: {names[place]} is {values[row, place]:g} in row {row + 1}, and {loss} takes its "
                f"logarithm; allowed: numbers above 0; choose another loss, such as {other}"
            )
        values = np.log(values) if logarithm else values
        return cls(
            names,
            (),
            tuple(values.mean(0).tolist()),
            tuple(values.std(0).tolist()),
            logarithm,
            tuple(quantiles),
        )

    @classmethod
    def _of_classes(cls, table: Targeted) -> Target:
        if len(table.targets) > 1:
            names = ", ".join(column.name for column in table.targets)
            raise DataError(
                f"{table.source}: several targets ({names}) with classes; allowed: several numbers"
            )
        column = table.targets[0]
        return cls((column.name,), column.categories)

    @property
    def outputs(self) -> int:
        """What the network answers for each row: K, of quantiles K·Q."""
        return len(self.classes) or len(self.answer_names)

    @property
    def answer_names(self) -> tuple[str, ...]:
        """Of each number that `decode` gives: the target's, with the level where quantiles are learned."""
        if not self.quantiles:
            return self.names
        return tuple(f"{name} q{level:g}" for name in self.names for level in self.quantiles)

    def values(self, table: Targeted) -> NDArray[np.float64]:
        """float64 N×K in the numbers' own unit."""
        return np.stack([self._column(table, name).values for name in self.names], axis=1)

    def labels(self, table: Targeted) -> NDArray[np.int64]:
        """int64 N: places of the classes. Raises DataError for a class that was not there in training."""
        column = self._column(table, self.names[0])
        if column.kind != "category":
            raise DataError(f"{table.source}: {column.name} holds numbers where classes were learned")
        place = {name: number for number, name in enumerate(self.classes)}
        unknown = [name for name in column.categories if name not in place]
        if unknown:
            raise DataError(
                f"{table.source}: {column.name} is {unknown[0]!r}, a class that no training row has; "
                f"known: {', '.join(self.classes)[:100]}"
            )
        codes = np.array([place[name] for name in column.categories], dtype=np.int64)
        found: NDArray[np.int64] = codes[column.values]
        return found

    def _column(self, table: Targeted, name: str) -> Column:
        column = table.column(name)
        _check_known(column, table.source)
        return column

    def encode(self, table: Targeted) -> NDArray[Any]:
        """What is learned: int64 N of classes, float32 N×K of standardized numbers, of which quantiles are learned."""
        if self.classes:
            return self.labels(table)
        values = self.values(table)
        if self.logarithm and (values <= 0).any():
            loss = "log-pinball" if self.quantiles else "log-rmse"
            raise DataError(
                f"{table.source}: {', '.join(self.names)} is not above 0 in some row, as {loss} asks"
            )
        return self.standardized(values).astype(np.float32)

    def standardized(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers in their own unit N×K → as they are learned; the inverse of `decode`."""
        known = np.log(np.maximum(values, np.finfo(np.float64).tiny)) if self.logarithm else values
        found: NDArray[np.float64] = (known - self.mean) / self.std
        return found

    def decode(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """The network's answers N×K, standardized → numbers in their own unit, float64 N×K.

        Of quantiles N×(K·Q), those of the first number first, each number's sorted: so they never cross, and their
        pinball loss is at most what it was (Chernozhukov et al. 2010, "Quantile and probability curves without
        crossing").
        """
        levels = max(1, len(self.quantiles))
        apart = np.sort(answers.astype(np.float64).reshape(len(answers), len(self.names), levels), axis=2)
        mean, std = np.repeat(self.mean, levels), np.repeat(self.std, levels)
        values: NDArray[np.float64] = apart.reshape(answers.shape) * std + mean
        return np.exp(np.minimum(values, 700)) if self.logarithm else values

    def single(self, decoded: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of what `decode` gave one number for each target, N×K: of quantiles the one nearest to the median."""
        if not self.quantiles:
            return decoded
        return decoded.reshape(len(decoded), len(self.names), -1)[:, :, middle_place(self.quantiles)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Target:
        """The inverse of `to_dict`. Raises ConfigError for anything else."""
        try:
            names, classes = (tuple(str(each) for each in values[key]) for key in ("names", "classes"))
            mean, std = (tuple(float(each) for each in values[key]) for key in ("mean", "std"))
            logarithm = bool(values["logarithm"])
            quantiles = tuple(float(each) for each in values.get("quantiles", ()))  # older folders have none
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the target of a table lacks or mistypes {str(error)[:100]}") from None
        numbers = 0 if classes else len(names)
        if not names or len(mean) != numbers or len(std) != numbers or not _all_positive(std):
            raise ConfigError(
                f"the target of a table, {', '.join(names)}, needs a mean and a std above 0 each"
            )
        if quantiles and (classes or not are_quantiles(quantiles)):
            raise ConfigError(
                f"the target of a table, {', '.join(names)}, has quantiles {list(quantiles)}; allowed: levels between "
                "0 and 1, each above the one before, of numbers"
            )
        return cls(names, classes, mean, std, logarithm, quantiles)


def _all_positive(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) and value > 0 for value in values)


def _check_known(column: Column, source: str) -> None:
    gone = int(column.missing.sum())
    if gone:
        row = int(column.missing.argmax()) + 1
        raise DataError(
            f"{source}: the target {column.name!r} is missing in {gone:,} of {len(column):,} rows, the first in row "
            f"{row}; leave these rows out"
        )


def _check(column: Column, source: str) -> None:
    _check_known(column, source)
    different = len(np.unique(column.values))
    if different < 2:
        raise DataError(
            f"{source}: the target {column.name!r} is the same in all {len(column):,} rows; nothing can be learned"
        )
    if column.kind == "date":
        raise DataError(f"{source}: the target {column.name!r} holds dates; read it as numbers or categories")
    if column.kind == "category" and different > max(_MOST_CLASSES_OF_NUMBERS, len(column) // 2):
        raise DataError(
            f"{source}: the target {column.name!r} has {different:,} classes in {len(column):,} rows; a class needs "
            f"several rows; if they are numbers: --numeric {column.name}"
        )
