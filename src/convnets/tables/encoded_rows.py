"""EncodedRows: rows as a network takes them, kept small until a batch is asked for. N rows, D numbers of each.

A category of eight names takes two bytes here and thirty-two in the network's input, so the input of all rows is never
made at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

__all__ = ["EncodedRows", "Inputs"]


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """float32 N×D, of which rows are made when they are asked for.

    >>> one_number = torch.tensor([[0.5], [torch.nan]])
    >>> rows = EncodedRows(one_number, torch.empty(2, 0, dtype=torch.int32), torch.tensor([0]), torch.tensor([1]),
    ...                    torch.tensor([-0.2]), width=2)
    >>> rows[torch.tensor([1, 0])]
    tensor([[-0.2000,  1.0000],
            [ 0.5000,  0.0000]])
    """

    numbers: Tensor
    """float32 N×A: standardized; NaN where a value is missing that has a flag."""
    ones: Tensor
    """int16 or int32 N×B: of each category or bin, which of the D numbers is 1."""
    places: Tensor
    """int64 A: which of the D numbers each is."""
    flags: Tensor
    """int64 A: which of the D numbers says that it is missing; 0 where none does, as there is no NaN then."""
    fills: Tensor
    """float32 A: what stands for NaN."""
    width: int
    """D."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """float32 n×D of these rows, places or a slice."""
        numbers, ones = self.numbers[rows], self.ones[rows]
        found = numbers.new_zeros(len(numbers), self.width)
        if numbers.shape[1]:
            missing = numbers.isnan()
            found[:, self.places] = torch.where(missing, self.fills, numbers)
            row, column = missing.nonzero(as_tuple=True)
            found[row, self.flags[column]] = 1.0
        return found.scatter_(1, ones.long(), 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        """N, D."""
        return len(self), self.width

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.numbers.nbytes + self.ones.nbytes

    def to(self, device: torch.device | str) -> EncodedRows:
        """The same on another device."""
        numbers, ones, places, flags, fills = (
            each.to(device) for each in (self.numbers, self.ones, self.places, self.flags, self.fills)
        )
        return EncodedRows(numbers, ones, places, flags, fills, self.width)


class Inputs(Protocol):
    """What a network takes, example by example: a tensor, or what makes batches when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Tensor: ...

    @property
    def nbytes(self) -> int: ...

    def to(self, device: torch.device | str) -> Self: ...
