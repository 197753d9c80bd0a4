"""How good an index is: whether what is found is of the query's class, and whether a quick search finds the nearest.

N images, D numbers of a vector.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from convnets.core.progress import Progress
from convnets.errors import DataError, UnknownNameError
from convnets.evaluation.ranking import RetrievalScores, score_retrieval
from convnets.retrieval.backends.exact_search import nearest
from convnets.retrieval.backends.stored_index import StoredIndex
from convnets.retrieval.building.build import describe_listing
from convnets.retrieval.building.listing import Images, Listing, list_images
from convnets.retrieval.entries import LABEL, Entries
from convnets.retrieval.image_index import ImageIndex

__all__ = ["IndexStatistics", "SearchQuality", "evaluate_index", "index_statistics", "search_quality"]

_SAMPLE = 1000
_QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)


def evaluate_index(
    index: ImageIndex,
    queries: Images | Listing | None = None,
    *,
    ks: Sequence[int] = (1, 2, 4, 8),
    progress: Progress | None = None,
) -> RetrievalScores:
    """Recall@K, R-precision and MAP@R, exact whatever the engine: every image of the index searches all the others.

    With `queries`, those images search the index instead; a query that is in the index finds itself. Raises
    DataError where there are no classes, UnknownNameError for a query of a class that the index does not have.
    """
    vectors, entries = index.vectors, index.entries
    names = _labels(entries, "the index")
    known = [row for row, name in enumerate(names) if name is not None]
    classes = sorted({name for name in names if name is not None})
    number = {name: place for place, name in enumerate(classes)}
    labels = torch.tensor([number[names[row] or ""] for row in known])
    if queries is None:
        return score_retrieval(vectors[known], labels, classes, ks=ks)
    listing = queries if isinstance(queries, Listing) else list_images(queries)
    parts = [
        part
        for part in describe_listing(index.embedder, listing, strict=True, progress=progress)
        if len(part.entries)
    ]
    asked = [name for part in parts for name in _labels(part.entries, listing.source)]
    for name in asked:
        if name not in number:
            raise UnknownNameError(f"class of {listing.source}", str(name), classes)
    asked_labels = torch.tensor([number[name or ""] for name in asked])
    given = torch.cat([part.vectors for part in parts])
    return score_retrieval(given, asked_labels, classes, gallery=(vectors[known], labels), ks=ks)


def _labels(entries: Entries, source: str) -> list[str | None]:
    column = entries.columns.get(LABEL)
    if column is None or all(value is None for value in column):
        raise DataError(
            f"{source} has no classes; index a folder with a folder for each class, or a data set with labels"
        )
    return [None if value is None else str(value) for value in column]


@dataclass(frozen=True)
class SearchQuality:
    """What an index finds of the true nearest, and how long a search takes."""

    recall: float
    """Share of the true k nearest that are found."""
    k: int
    queries: int
    milliseconds: float
    """Median time of a search for one query."""
    exact_milliseconds: float
    """The same of an exact search."""


def search_quality(index: StoredIndex, *, k: int = 10, queries: int = 200, seed: int = 0) -> SearchQuality:
    """Search for some of the index's own vectors, and compare with an exact search.

    >>> from convnets.retrieval.backends.exact_index import ExactIndex
    >>> index = ExactIndex(3)
    >>> index.add(torch.eye(3), Entries(["a", "b", "c"]))
    >>> search_quality(index, k=2).recall
    1.0
    """
    rows = _sampled(len(index), queries, seed)
    asked, k = index.store.rows(rows), min(k, len(index))
    index.find(asked[:1], k, None)  # a structure that is built when it is first needed is not counted
    found_seconds, exact_seconds, shares = [], [], []
    for query in asked:
        started = time.perf_counter()
        hits = index.search(query[None], k)[0]
        between = time.perf_counter()
        values, _ = nearest(index.store.blocks, query[None], k)
        exact_seconds.append(time.perf_counter() - between)
        found_seconds.append(between - started)
        # of equally distant images any may be found: those at least as near as the kth count
        farthest = (2 - 2 * float(values[0, -1])) ** 0.5 if float(values[0, -1]) < 1 else 0.0
        shares.append(sum(hit.distance <= farthest + 1e-3 for hit in hits) / k)
    middle = len(rows) // 2
    return SearchQuality(
        recall=sum(shares) / len(shares),
        k=k,
        queries=len(rows),
        milliseconds=1000 * sorted(found_seconds)[middle],
        exact_milliseconds=1000 * sorted(exact_seconds)[middle],
    )


@dataclass(frozen=True)
class IndexStatistics:
    """What is in an index."""

    images: int
    dimension: int
    vector_bytes: int
    classes: dict[str, int]
    """Images by class; empty without classes."""
    columns: tuple[str, ...]
    nearest_distances: dict[str, float]
    """Quantiles of the distance to the nearest other image, over a sample: 0 is the smallest."""
    pair_distances: dict[str, float]
    """The same of the distance between two images drawn at random."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def index_statistics(index: StoredIndex, *, seed: int = 0) -> IndexStatistics:
    """Counts, sizes, and how far apart the images of an index lie.

    >>> from convnets.retrieval.backends.exact_index import ExactIndex
    >>> index = ExactIndex(2)
    >>> index.add(torch.eye(2), Entries(["a", "b"], {"class": ["cat", "dog"]}))
    >>> index_statistics(index).classes
    {'cat': 1, 'dog': 1}
    """
    store = index.store
    counts: dict[str, int] = {}
    for value in store.entries.columns.get(LABEL, []):
        if value is not None:
            counts[str(value)] = counts.get(str(value), 0) + 1
    rows = _sampled(len(index), _SAMPLE, seed)
    others = _sampled(len(index), _SAMPLE, seed + 1)
    near, pairs = torch.empty(0), torch.empty(0)
    if len(index) > 1:
        hits = index.search(store.rows(rows), 2)  # the first is the image itself, or one that is equal to it
        near = torch.tensor([each[-1].distance for each in hits])
        apart = rows != others
        pairs = torch.linalg.vector_norm(store.rows(rows[apart]) - store.rows(others[apart]), dim=1)
    return IndexStatistics(
        images=len(index),
        dimension=index.dimension,
        vector_bytes=store.nbytes,
        classes=dict(sorted(counts.items())),
        columns=tuple(store.entries.columns),
        nearest_distances=_quantiles(near),
        pair_distances=_quantiles(pairs),
    )


def _sampled(count: int, wanted: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:wanted]


def _quantiles(values: Tensor) -> dict[str, float]:
    if not len(values):
        return {}
    found = torch.quantile(values.double(), torch.tensor(_QUANTILES, dtype=torch.float64))
    return {f"{100 * share:g} %": float(value) for share, value in zip(_QUANTILES, found, strict=True)}
