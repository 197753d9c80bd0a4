"""Vectors of an index in memory, in blocks, beside their entries.

N vectors of D numbers each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.retrieval.entries import Entries
from convnets.retrieval.index import check_vectors

__all__ = ["PRECISIONS", "VectorStore"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""How vectors may be stored, by name."""

_SMALL_BLOCK = 16_384  # rows; a block that is smaller is copied together with what is added


class VectorStore:
    """Unit vectors with their entries, row by row.

    >>> store = VectorStore(2)
    >>> store.add(torch.eye(2), Entries(["a", "b"]))
    >>> store.remove(["a"])
    >>> store.entries.paths, store.rows(torch.tensor([0]))
    (['b'], tensor([[0., 1.]]))
    """

    def __init__(self, dimension: int, precision: str = "fp32") -> None:
        if dimension < 1:
            raise ConfigError(f"dimension is {dimension}; allowed: 1 or more")
        if precision not in PRECISIONS:
            raise ConfigError(f"precision of the index is {precision!r}; allowed: {', '.join(PRECISIONS)}")
        self.dimension, self.precision = dimension, precision
        self.blocks: list[Tensor] = []
        """n×D each; never changed in place, they may be mapped from files."""
        self.entries = Entries([])

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors."""
        return sum(block.nbytes for block in self.blocks)

    def add(self, vectors: Tensor, entries: Entries) -> None:
        """Take unit vectors with their entries, all or none."""
        checked = check_vectors(vectors, self.dimension)
        if len(checked) != len(entries):
            raise InputError(f"{len(checked)} vectors for {len(entries)} paths; give one for each")
        stored = checked.to(PRECISIONS[self.precision])
        # a copy: nobody else may change what is searched
        self.take(stored.clone() if stored.data_ptr() == vectors.data_ptr() else stored, entries)

    def take(self, stored: Tensor, entries: Entries) -> None:
        """Take vectors that are known to be good, in the type that they are stored in, without a copy of many."""
        self.entries.extend(entries)
        if self.blocks and len(self.blocks[-1]) < _SMALL_BLOCK:
            stored = torch.cat((self.blocks.pop(), stored))
        self.blocks.append(stored)

    def mask_of(self, paths: Sequence[str]) -> Tensor:
        """bool N, true at these paths; raises InputError when one is not here."""
        places = [self.entries.place(path) for path in paths]
        unknown = [path for path, place in zip(paths, places, strict=True) if place is None]
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(paths)} paths are not in the index, the first is {unknown[0]!r}; "
                "give paths as searches show them"
            )
        mask = torch.zeros(len(self), dtype=torch.bool)
        mask[torch.tensor(places, dtype=torch.int64)] = True
        return mask

    def remove(self, paths: Sequence[str]) -> None:
        """Forget these paths, all or none."""
        kept = ~self.mask_of(paths)
        parts = torch.split(kept, [len(block) for block in self.blocks])
        self.blocks = [
            block if bool(part.all()) else block[part]
            for block, part in zip(self.blocks, parts, strict=True)
            if bool(part.any())
        ]
        self.entries = self.entries.select(kept.nonzero().flatten())

    def rows(self, rows: Tensor) -> Tensor:
        """float32 n×D: the vectors of int64 rows, in that order."""
        found = torch.empty(len(rows), self.dimension)
        start = 0
        for block in self.blocks:
            inside = (rows >= start) & (rows < start + len(block))
            found[inside] = block[rows[inside] - start].float()
            start += len(block)
        return found

    def all(self) -> Tensor:
        """float32 N×D: every vector."""
        if not self.blocks:
            return torch.empty(0, self.dimension)
        return torch.cat(self.blocks).float()
