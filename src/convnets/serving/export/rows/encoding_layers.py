"""An encoder of tables or series as layers, so that an exported file takes what its user has.

N rows of C columns, which become D numbers; or N series of C channels and L steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convnets.series.series_encoder import SeriesEncoder
from convnets.tables.column_encoders import Bins, Categories, ColumnEncoder, Standardized
from convnets.tables.table_encoder import TableEncoder

__all__ = ["SeriesLayer", "TableLayer"]

_DOUBLE = torch.float64


class _Columns(nn.Module):
    """Some columns of a table, all of one kind: `at` says where they stand."""

    at: Tensor

    def __init__(self, at: Sequence[int], **constants: Any) -> None:
        super().__init__()
        for name, (values, dtype) in {"at": (list(at), torch.int64), **constants}.items():
            self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    def __bool__(self) -> bool:
        return len(self.at) > 0


class _Numbers(_Columns):
    """float64 N×C → those that are standardized, float32 N×A, then flags of missing ones."""

    mean: Tensor
    std: Tensor
    fill: Tensor
    flagged: Tensor

    def __init__(self, columns: dict[int, Standardized]) -> None:
        each = columns.values()
        super().__init__(
            list(columns),
            mean=([one.mean for one in each], _DOUBLE),
            std=([one.std for one in each], _DOUBLE),
            fill=([one.fill for one in each], torch.float32),
            flagged=([place for place, one in enumerate(each) if one.flag], torch.int64),
        )
        self.features = [(at, 0) for at in columns] + [(at, 1) for at, one in columns.items() if one.flag]

    def forward(self, rows: Tensor) -> Tensor:
        values = rows.index_select(1, self.at)
        missing = values.isnan()
        found = torch.where(missing, self.fill, ((values - self.mean) / self.std).float())
        if not len(self.flagged):
            return found
        return torch.cat([found, missing.index_select(1, self.flagged).float()], 1)


class _Categories(_Columns):
    """float64 N×C → of each category which of its numbers is 1, float64 N×B."""

    known: Tensor

    def __init__(self, columns: dict[int, Categories]) -> None:
        super().__init__(list(columns), known=([len(each.categories) for each in columns.values()], _DOUBLE))

    def forward(self, rows: Tensor) -> Tensor:
        codes, known = rows.index_select(1, self.at), self.known
        named = (codes >= 0) & (codes < known) & (codes == codes.floor())
        return torch.where(codes.isnan(), known + 1, torch.where(named, codes, known))


class _Bins(_Columns):
    """float64 N×C → of each column with bins which of its numbers is 1, float64 N×B."""

    edges: Tensor
    missing: Tensor

    def __init__(self, columns: dict[int, Bins]) -> None:
        inner = [list(each.edges[1:-1]) for each in columns.values()]
        most = max(map(len, inner), default=0)
        super().__init__(
            list(columns),
            edges=([[*each, *[float("inf")] * (most - len(each))] for each in inner], _DOUBLE),
            missing=([len(each) + 1 for each in inner], _DOUBLE),
        )

    def forward(self, rows: Tensor) -> Tensor:
        values = rows.index_select(1, self.at)
        passed = (values[:, :, None] >= self.edges).double().sum(2)
        return torch.where(values.isnan(), self.missing, passed)


class TableLayer(nn.Module):
    """float64 N×C, as `UnencodedTable` gives it → float32 N×D, number for number what the encoder gives."""

    owner: Tensor
    own: Tensor
    order: Tensor

    def __init__(self, encoder: TableEncoder) -> None:
        super().__init__()
        columns: dict[int, ColumnEncoder] = dict(enumerate(encoder.columns))
        self.numbers = _Numbers({at: one for at, one in columns.items() if isinstance(one, Standardized)})
        categories = {at: one for at, one in columns.items() if isinstance(one, Categories)}
        bins = {at: one for at, one in columns.items() if isinstance(one, Bins)}
        self.places = nn.ModuleList(each for each in (_Categories(categories), _Bins(bins)) if each)
        ones = [*categories, *bins]
        features = [
            (owner, each) for owner, at in enumerate(ones) for each in range(len(columns[at].features))
        ]
        self._keep("owner", [owner for owner, _ in features], torch.int64)
        self._keep("own", [each for _, each in features], _DOUBLE)
        starts = {at: group.start for at, group in enumerate(encoder.groups.values())}
        made = [*self.numbers.features, *((ones[owner], each) for owner, each in features)]
        where = torch.tensor([starts[at] + each for at, each in made])
        self._keep("order", where.argsort().tolist(), torch.int64)

    def _keep(self, name: str, values: list[int], dtype: torch.dtype) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        pieces = [self.numbers(rows)] if self.numbers else []
        if len(self.places):
            places = torch.cat([each(rows) for each in self.places], 1)
            pieces.append((places.index_select(1, self.owner) == self.own).float())
        return torch.cat(pieces, 1).index_select(1, self.order)


class SeriesLayer(nn.Module):
    """float64 N×C×L, NaN where missing → float32 N×C×L, or N×(C·L) where the network takes numbers in a row."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: SeriesEncoder) -> None:
        super().__init__()
        self.flat = encoder.flat
        for name in ("mean", "std"):
            values = torch.tensor(getattr(encoder, name), dtype=_DOUBLE)[:, None]
            self.register_buffer(name, values, persistent=False)

    def forward(self, series: Tensor) -> Tensor:
        """See the class."""
        values = (series - self.mean) / self.std
        found = torch.where(values.isnan(), torch.zeros_like(values), values).float()
        return found.flatten(1) if self.flat else found
