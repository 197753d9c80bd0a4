"""Rows as batches: what Batches is to images. N rows, D numbers of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.data.batches import Batch, check_share
from convnets.series.augmentation import SeriesAugmentation, augment_series
from convnets.series.examples import ExampleSet
from convnets.tables.encoded_rows import Inputs

__all__ = ["RowBatches", "Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows or series, what is to be said of them, and the examples that they are."""

    inputs: Inputs
    """float32 N×D, or N×C×L of series, of which a batch is made when it is asked for."""
    targets: Tensor
    """int64 N of classes, or float32 N×K of standardized numbers."""
    table: ExampleSet

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def source(self) -> str:
        """Where the table came from."""
        return self.table.source

    @property
    def nbytes(self) -> int:
        """Bytes of the encoded rows."""
        return self.inputs.nbytes


class RowBatches:
    """Shuffled batches, epoch by epoch, each a pure function of seed, epoch and step.

    A single row that is left over joins the batch before it. Where n = `share[1]` processes share each batch, rank r
    takes every n-th of its rows from row r on.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
        augment: tuple[SeriesAugmentation, ...] = (),
    ) -> None:
        self.rank, self.ranks = share
        check_share(batch_size, len(rows), self.ranks)
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self._inputs, self._targets = rows.inputs.to(device), rows.targets.to(device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self._inputs), self.batch_size)
        return max(1, full + (rest >= 2 * self.ranks))

    def epoch(self, number: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from step `start` on."""
        order = torch.randperm(len(self._inputs), generator=generator_for(self.seed, "order", number))
        for step in range(start, len(self)):
            first = step * self.batch_size
            end = len(order) if step == len(self) - 1 else first + self.batch_size
            indices = order[first + self.rank : end : self.ranks]
            here = indices.to(self._targets.device)
            whole = end - first if self.ranks > 1 else None
            inputs = self._inputs[here]
            if self.augment:
                generator = generator_for(self.seed, "augment", number, step, self.rank)
                inputs = augment_series(inputs, self.augment, generator)
            yield Batch(inputs, self._targets[here], indices, whole)
