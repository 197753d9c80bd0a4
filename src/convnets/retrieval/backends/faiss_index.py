"""FAISS indexes: approximate search for a million vectors and more; the extra `faiss`.

Sources: Malkov & Yashunin 2016, "Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs" (HNSW); Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search"
(IVF-PQ). D numbers of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.core.storage.files import atomic_path
from convnets.errors import ConfigError, ImageIndexError, UnknownNameError
from convnets.retrieval.backends.exact_search import nearest
from convnets.retrieval.backends.stored_index import StoredIndex

__all__ = ["KINDS", "FaissIndex"]

KINDS = ("hnsw", "ivfpq")
_NEIGHBORS, _BUILD_DEPTH, _SEARCH_DEPTH = 32, 80, 128  # of HNSW: links of a node, candidates kept
_CODE_BYTES = 32  # of a vector in IVF-PQ, at most; each stands for D / 32 numbers
_SMALLEST_TRAINING = 39 * 256  # vectors: FAISS warns below 39 for each center of a code
_REFINED = 4  # times k candidates are compared by their whole vectors
_MOST_REMOVED = 0.25  # of the vectors: beyond, the structure is built anew


class FaissIndex(StoredIndex):
    """Finds nearly all of the nearest vectors among many, in a fraction of the time of an exact search.

    `hnsw`: a graph of neighbors; quick and accurate. It holds 4 D + 270 bytes in memory for each vector.
    `ivfpq`: cells with coded vectors, about 40 bytes for each; the candidates are then compared by their whole
    vectors, which may lie on disk. Each distance of a hit is exact; whether all of the nearest are found is not.

    The structure is built when it is first needed. Raises ConfigError where FAISS is not installed, or, when IVF-PQ
    is built, for too few vectors.
    """

    def __init__(
        self, dimension: int, kind: str = "hnsw", *, precision: str = "fp32", depth: int | None = None
    ) -> None:
        super().__init__(dimension, precision=precision)
        if kind not in KINDS:
            raise UnknownNameError("FAISS index", kind, KINDS)
        if depth is not None and depth < 1:
            raise ConfigError(f"depth is {depth}; allowed: 1 or more")
        self._faiss = import_faiss()
        self.kind = kind
        self.depth = depth
        """Candidates kept in a search (hnsw, 128) or cells looked through (ivfpq, 1 of 16); more find more, slower."""
        self._structure: Any = None
        self._ids = torch.empty(0, dtype=torch.int64)
        """For each row of the store that the structure knows, its number there, ascending."""

    def remove(self, paths: Sequence[str]) -> None:
        """See `Index.remove`."""
        kept = ~self.store.mask_of(paths)
        self.store.remove(paths)
        self._ids = self._ids[kept[: len(self._ids)]]

    def check_size(self, count: int) -> None:
        """See `StoredIndex.check_size`."""
        if self.kind == "ivfpq" and count < _SMALLEST_TRAINING:
            raise ConfigError(
                f"IVF-PQ over {count:,} vectors; it needs at least {_SMALLEST_TRAINING:,} to learn its codes from; "
                "use the exact index or hnsw"
            )

    def prepare(self) -> None:
        """Build the structure, or bring it up to date; a search does so by itself."""
        known = 0 if self._structure is None else int(self._structure.ntotal)
        if self._structure is None or len(self._ids) < (1 - _MOST_REMOVED) * known:
            self._structure, self._ids = self._built(), torch.arange(len(self.store))
            return
        fresh = torch.arange(len(self._ids), len(self.store))
        if len(fresh):
            self._structure.add(self.store.rows(fresh).numpy())
            self._ids = torch.cat((self._ids, known + torch.arange(len(fresh))))

    def _built(self) -> Any:
        faiss, count = self._faiss, len(self.store)
        if self.kind == "hnsw":
            structure = faiss.IndexHNSWFlat(self.dimension, _NEIGHBORS)
            structure.hnsw.efConstruction = _BUILD_DEPTH
        else:
            self.check_size(count)
            cells = max(16, min(round(4 * math.sqrt(count)), count // 39))
            codes = max(part for part in range(1, _CODE_BYTES + 1) if self.dimension % part == 0)
            structure = faiss.IndexIVFPQ(faiss.IndexFlatL2(self.dimension), self.dimension, cells, codes, 8)
            generator = torch.Generator().manual_seed(0)
            sample = torch.randperm(count, generator=generator)[: max(_SMALLEST_TRAINING, 50 * cells)]
            structure.train(self.store.rows(sample.sort().values).numpy())
        start = 0
        for block in self.store.blocks:
            for part in torch.split(block, 65_536):
                structure.add(part.float().numpy())
                start += len(part)
        return structure

    def find(self, queries: Tensor, k: int, allowed: Tensor | None) -> Tensor:
        """See `StoredIndex.find`."""
        self.prepare()
        if allowed is not None and int(allowed.sum()) <= max(20 * k, len(self.store) // 100):
            return nearest(self.store.blocks, queries, k, allowed)[
                1
            ]  # few are left: all of them are compared
        wanted = min(len(self.store), k if self.kind == "hnsw" else _REFINED * k)
        parameters = self._parameters(wanted, self._selector(allowed))
        # where faiss.contrib.torch_utils was imported, it has put a search without parameters in this one's place
        search = getattr(self._structure, "search_numpy", self._structure.search)
        _, ids = search(queries.numpy(), wanted, params=parameters)
        found = torch.from_numpy(ids)
        rows = torch.searchsorted(self._ids, found.clamp(min=0))
        return torch.where(found < 0, -1, rows.clamp(max=len(self._ids) - 1))

    def _selector(self, allowed: Tensor | None) -> Any:
        if allowed is None and len(self._ids) == self._structure.ntotal:
            return None
        chosen = self._ids if allowed is None else self._ids[allowed]
        bits = torch.zeros(int(self._structure.ntotal) + 7, dtype=torch.uint8)
        bits[chosen] = 1
        packed = (
            (bits[: len(bits) // 8 * 8].view(-1, 8) << torch.arange(8, dtype=torch.uint8))
            .sum(1)
            .to(torch.uint8)
        )
        return self._faiss.IDSelectorBitmap(packed.numpy())

    def _parameters(self, wanted: int, selector: Any) -> Any:
        chosen = {} if selector is None else {"sel": selector}
        if self.kind == "hnsw":
            depth = max(wanted, self.depth or _SEARCH_DEPTH)
            return self._faiss.SearchParametersHNSW(efSearch=depth, **chosen)
        cells = int(self._structure.nlist)
        probed = min(cells, self.depth or max(1, cells // 16))
        return self._faiss.SearchParametersIVF(nprobe=probed, **chosen)

    def write(self, path: Path) -> None:
        """Write the structure, whole or not at all."""
        self.prepare()
        with atomic_path(path) as temporary:
            self._faiss.write_index(self._structure, str(temporary))

    def id_ranges(self) -> list[tuple[int, int]]:
        """The numbers in the structure of the store's rows, in order, as ranges [start, stop)."""
        return _ranges(self._ids)

    def ranges_without(self, gone: Tensor) -> list[tuple[int, int]]:
        """`id_ranges` as they will be without the rows where bool N `gone` is true."""
        return _ranges(self._ids[~gone[: len(self._ids)]])

    def attach(self, path: Path, ranges: Sequence[Sequence[int]]) -> None:
        """Take a structure that `write` wrote; rows beyond it are added at the next search."""
        try:
            structure = self._faiss.read_index(str(path))
        except RuntimeError as error:
            raise ImageIndexError(
                f"{path} cannot be read ({str(error)[-80:]}); build the index again"
            ) from None
        if structure.d != self.dimension:
            raise ImageIndexError(
                f"{path} holds vectors of {structure.d} numbers, the index {self.dimension}; build the index again"
            )
        ids = torch.cat(
            [torch.arange(start, stop) for start, stop in ranges] or [torch.empty(0, dtype=torch.int64)]
        )
        self._structure, self._ids = structure, ids[ids < structure.ntotal]


def _ranges(ids: Tensor) -> list[tuple[int, int]]:
    if not len(ids):
        return []
    breaks = (ids.diff() != 1).nonzero().flatten() + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in ids.tensor_split(breaks)]


def import_faiss() -> Any:
    """FAISS, or a ConfigError that says how to get it."""
    try:
        import faiss
    except ImportError:
        raise ConfigError(
            "this index needs FAISS, which is not installed; pip install 'convnets[faiss]', or use the exact index"
        ) from None
    return faiss
