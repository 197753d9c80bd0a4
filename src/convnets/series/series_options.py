"""SeriesOptions: how series are read, and what of them is to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from convnets.errors import ConfigError

__all__ = ["SeriesOptions"]


@dataclass(frozen=True)
class SeriesOptions:
    """How series are read; what is not given is found out."""

    target: tuple[str, ...] = ()
    """Columns to predict; of a .npy file the file of the labels, of a .npz file its array."""
    drop: tuple[str, ...] = ()
    """Columns that are left out."""
    window: int | None = None
    """Steps of a window of a long series; None: each row of the file is a series."""
    horizon: int = 1
    """Steps after the window that are predicted, where the target holds numbers."""
    stride: int = 1
    """Steps from one window to the next."""
    gap: int = 0
    """Steps left out between training and validation."""
    period: int = 1
    """Steps after which a series repeats, for the naive forecast beside."""
    by: str | None = None
    """Column that tells several long series in one file apart."""
    rate: int = 8000
    """Of sounds: samples a second."""
    length: int | None = None
    """Of sounds: samples that each is cut or filled up to; None for the longest."""
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    thousands: str = ""
    date_format: str | None = None

    def __post_init__(self) -> None:
        for name in ("window", "horizon", "stride", "period", "rate", "length"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name} is {value!r}; allowed: a whole number, 1 or more")
        if isinstance(self.gap, bool) or not isinstance(self.gap, int) or self.gap < 0:
            raise ConfigError(f"gap is {self.gap!r}; allowed: a whole number, 0 or more")
        for name in self.target:
            if self.target.count(name) > 1:
                raise ConfigError(f"{name!r} is twice among the targets; give it once")
        if dropped := set(self.drop) & set(self.target):
            raise ConfigError(f"column {dropped.pop()!r} is the target and is dropped; leave one of them out")
        if self.window is not None and self.period > self.window:
            raise ConfigError(
                f"period is {self.period} and window {self.window}; a window must hold a period at least"
            )

    def refuse(self, names: Sequence[str], why: str) -> None:
        """Raise ConfigError for the first of these options that was given."""
        for name in names:
            value = getattr(self, name)
            if value != getattr(SeriesOptions, name):
                shown = ", ".join(value) if isinstance(value, tuple) else value
                raise ConfigError(f"{name} is {shown} {why}")

    @property
    def notation(self) -> dict[str, Any]:
        """How a CSV file is written, as far as it was said."""
        return {
            name: getattr(self, name)
            for name in ("encoding", "delimiter", "decimal", "thousands", "date_format")
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SeriesOptions:
        """The inverse of `to_dict`. Raises ConfigError for a field that there is not."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ConfigError(f"options of series hold {unknown.pop()!r}, which is none of them")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)
