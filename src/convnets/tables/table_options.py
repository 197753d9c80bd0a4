"""TableOptions: how a table is read, where that is not found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convnets.errors import ConfigError, DataError

__all__ = ["TableOptions"]


@dataclass(frozen=True)
class TableOptions:
    """How a table is read; what is not given is found out."""

    target: tuple[str, ...] = ()
    """Columns to predict."""
    numeric: tuple[str, ...] = ()
    """Columns that hold numbers; another cell is an error."""
    categorical: tuple[str, ...] = ()
    """Columns whose cells are names, numbers too."""
    dates: tuple[str, ...] = ()
    """Columns that hold dates."""
    drop: tuple[str, ...] = ()
    """Columns that are left out."""
    only: tuple[str, ...] = ()
    """Columns to predict from where others are passed over, as at prediction; empty for all."""
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    """. or , ; by default the comma where the delimiter is none and numbers are written so."""
    thousands: str = ""
    """What stands between thousands."""
    date_format: str | None = None
    """Such as %d.%m.%Y; by default dates are as ISO 8601 has them."""

    def __post_init__(self) -> None:
        given = [*self.numeric, *self.categorical, *self.dates, *self.drop]
        for name in given:
            if given.count(name) > 1:
                raise ConfigError(
                    f"column {name!r} is given twice among numeric, categorical, dates and drop"
                )
        for name in self.target:
            if self.target.count(name) > 1:
                raise ConfigError(f"column {name!r} is twice among the targets; give it once")
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"decimal is {self.decimal!r}; allowed: . or ,")
        if self.thousands and (len(self.thousands) > 1 or self.thousands in "0123456789+-eE"):
            raise ConfigError(
                f"thousands is {self.thousands!r}; allowed: one character that is no digit, such as ."
            )
        if self.thousands and self.thousands == (self.decimal or "."):
            raise ConfigError(
                f"thousands and decimal are both {self.thousands!r}; give --decimal another character"
            )
        if dropped := set(self.drop) & set(self.target):
            raise ConfigError(f"column {dropped.pop()!r} is the target and is dropped; leave one of them out")

    @property
    def asked(self) -> dict[str, str]:
        """The kinds that were asked for, by column."""
        kinds = {"number": self.numeric, "category": self.categorical, "date": self.dates}
        return {name: kind for kind, names in kinds.items() for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TableOptions:
        """The inverse of `to_dict`."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)

    def places(self, names: Sequence[str], source: str) -> list[int]:
        """Places of the columns that are read at all. Raises DataError where one that was asked for is not there."""
        wanted = [*self.target, *self.asked, *self.drop, *self.only]
        missing = list(dict.fromkeys(name for name in wanted if name not in names))
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            shown = ", ".join(map(repr, missing[:5])) + more
            raise DataError(
                f"{source} has no column {shown}; it has: {', '.join(names)[:200]}; give a name as it is written there"
                + (", or the delimiter between its cells (--delimiter)" if len(names) == 1 else "")
            )
        kept = {*self.only, *self.target} if self.only else set(names)
        return [place for place, name in enumerate(names) if name in kept and name not in self.drop]
