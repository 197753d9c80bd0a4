"""What indexes that keep their vectors in this process have in common: the store, and the hits made of its rows."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convnets.retrieval.entries import Entries
from convnets.retrieval.hit import Hit
from convnets.retrieval.index import check_count, check_vectors, distances_to
from convnets.retrieval.metadata_filter import Filter, MetadataFilter
from convnets.retrieval.storage.vector_store import VectorStore

__all__ = ["StoredIndex"]


class StoredIndex:
    """An `Index` over a VectorStore; how the rows are found is for each kind to say in `find`."""

    def __init__(self, dimension: int, *, precision: str = "fp32") -> None:
        self.store = VectorStore(dimension, precision)

    @property
    def dimension(self) -> int:
        """Numbers of each vector."""
        return self.store.dimension

    def __len__(self) -> int:
        return len(self.store)

    def add(self, vectors: Tensor, entries: Entries) -> None:
        """See `Index.add`."""
        self.store.add(vectors, entries)

    def remove(self, paths: Sequence[str]) -> None:
        """See `Index.remove`."""
        self.store.remove(paths)

    def missing(self, paths: Sequence[str]) -> list[str]:
        """See `Index.missing`."""
        return [path for path in paths if path not in self.store.entries]

    def check_size(self, count: int) -> None:
        """Raise ConfigError when `count` vectors are too few for this kind."""

    def find(self, queries: Tensor, k: int, allowed: Tensor | None) -> Tensor:
        """int64 M×n rows of the store that hold the k nearest, in any order; −1 where nothing is left.

        They may be more than k: of them the k nearest are chosen by the differences of the vectors.

        queries: float32 M×D unit vectors. allowed: bool N, the rows that may be found.
        """
        raise NotImplementedError

    def search(
        self, queries: Tensor, k: int = 10, *, where: Filter | MetadataFilter | None = None
    ) -> list[list[Hit]]:
        """See `Index.search`; raises UnknownNameError for a column or value in `where` that no image has."""
        check_count(k)
        queries = check_vectors(queries, self.dimension, "queries")
        conditions = MetadataFilter.of(where)
        if not len(self):
            return [[] for _ in queries]
        allowed = None if conditions is None else conditions.mask(self.store.entries)
        found = self.find(queries, min(k, len(self)), allowed)
        return [self._hits(query, rows[rows >= 0], k) for query, rows in zip(queries, found, strict=True)]

    def _hits(self, query: Tensor, rows: Tensor, k: int) -> list[Hit]:
        rows = rows.sort().values  # of equally near images the one that was added first comes first
        distances, order = distances_to(query, self.store.rows(rows)).sort(stable=True)
        entries = self.store.entries
        return [
            Hit(entries.paths[row], distance, entries.row(row))
            for row, distance in zip(rows[order[:k]].tolist(), distances[:k].tolist(), strict=True)
        ]
