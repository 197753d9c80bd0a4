"""The index without approximation: every vector is compared, in blocks."""

from __future__ import annotations

from torch import Tensor

from convnets.retrieval.backends.exact_search import nearest
from convnets.retrieval.backends.stored_index import StoredIndex

__all__ = ["ExactIndex"]

# candidates beyond k that are compared by their differences, because products are rounded: float32, bfloat16
_MORE, _TIMES = 16, 4


class ExactIndex(StoredIndex):
    """Finds the true nearest vectors; the default, and the quickest way up to about 10⁵ of them.

    `precision="bf16"` halves the memory and the time of many queries at once: vectors are stored rounded, products
    choose candidates, and float32 compares those. docs/background/search.md says what that finds.

    >>> import torch
    >>> from convnets.retrieval.entries import Entries
    >>> index = ExactIndex(2)
    >>> index.add(torch.eye(2), Entries(["a.png", "b.png"], {"class": ["cat", "dog"]}))
    >>> [(hit.path, round(hit.distance, 3)) for hit in index.search(torch.tensor([[0.0, 1.0]]))[0]]
    [('b.png', 0.0), ('a.png', 1.414)]
    """

    def find(self, queries: Tensor, k: int, allowed: Tensor | None) -> Tensor:
        """See `StoredIndex.find`."""
        more = k + _MORE if self.store.precision == "fp32" else max(_TIMES * k, 32)
        return nearest(self.store.blocks, queries, min(more, len(self)), allowed)[1]
