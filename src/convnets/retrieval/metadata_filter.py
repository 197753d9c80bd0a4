"""MetadataFilter: which images of an index a search may find, by the values in their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from convnets.errors import UnknownNameError, UsageError
from convnets.retrieval.entries import Entries, Value

__all__ = ["Condition", "Filter", "MetadataFilter"]

Filter: TypeAlias = Mapping[str, Value | Sequence[Value]]
"""What a caller writes: a value, or several allowed ones, for each column, as in `{"class": ["Bag", "Coat"]}`."""


@dataclass(frozen=True)
class Condition:
    """One column: its value must be among `values`, or must not."""

    column: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True)
class MetadataFilter:
    """Conditions that must all hold.

    >>> where = MetadataFilter.parse(["class=Bag", "class=Coat", "part!=test"])
    >>> [(each.column, each.values, each.negated) for each in where.conditions]
    [('class', ('Bag', 'Coat'), False), ('part', ('test',), True)]
    """

    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, given: Filter | MetadataFilter | None) -> MetadataFilter | None:
        """Conditions from a mapping; None and conditions are returned as they are."""
        if given is None or isinstance(given, MetadataFilter):
            return given
        return cls(
            tuple(
                Condition(
                    column,
                    (value,) if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value),
                )
                for column, value in given.items()
            )
        )

    @classmethod
    def parse(cls, texts: Iterable[str]) -> MetadataFilter | None:
        """`class=Bag` or `class!=Bag`; equal columns allow each of their values. None without any text.

        Raises UsageError for a text of another form.
        """
        found: dict[tuple[str, bool], list[Value]] = {}
        for text in texts:
            column, sign, value = text.partition("=")
            column, negated = column.removesuffix("!"), column.endswith("!")
            if not sign or not column.strip():
                raise UsageError(
                    f"filter {text!r}; allowed: COLUMN=VALUE or COLUMN!=VALUE, such as class=Bag"
                )
            found.setdefault((column.strip(), negated), []).append(value.strip())
        if not found:
            return None
        return cls(tuple(Condition(column, tuple(values), no) for (column, no), values in found.items()))

    def mask(self, entries: Entries) -> Tensor:
        """bool N: which entries fulfil every condition.

        A value given as text also fits a number or truth value that is written like it. Raises UnknownNameError
        for a column, or for a value, that no entry has.
        """
        allowed = torch.ones(len(entries), dtype=torch.bool)
        for condition in self.conditions:
            if condition.column not in entries.columns:
                raise UnknownNameError("column", condition.column, entries.columns or ["none at all"])
            column = entries.columns[condition.column]
            fitting = _fitting(condition, column)
            allowed &= torch.tensor(
                [(value in fitting) != condition.negated for value in column], dtype=torch.bool
            )
        return allowed


def _fitting(condition: Condition, column: Sequence[Value]) -> set[Value]:
    """The values of the column that the condition names."""
    there = {str(value): value for value in set(column) if value is not None}
    for value in condition.values:
        if value is not None and str(value) not in there:
            raise UnknownNameError(f"value of {condition.column}", str(value), sorted(there))
    return {None if value is None else there[str(value)] for value in condition.values}
