"""Ranking: whether the images nearest to an image are of its class. Exact, in blocks of bounded memory.

N queries, M images of the gallery that is searched, D numbers of a vector, R images of a query's class in the gallery,
the query itself left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.core.display.text import columns
from convnets.core.html.kit import card, note, share, table
from convnets.errors import InputError
from convnets.evaluation.distances import Distance, check_distances, distance_function

__all__ = ["ClassRetrieval", "RetrievalScores", "score_retrieval"]

_BYTES_AT_ONCE = 1 << 26  # of distances, their keys and the hits among the nearest
_BYTES_PER_CELL = 20
_CLASSES_SHOWN = 30


@dataclass(frozen=True)
class ClassRetrieval:
    """What the queries of one class found. Shares from 0 to 1."""

    name: str
    queries: int
    recall_at_1: float
    r_precision: float
    map_at_r: float


@dataclass(frozen=True)
class RetrievalScores:
    """How well the nearest images are of the query's class: means over the queries, shares from 0 to 1."""

    queries: int
    """Queries that have at least one image of their class to find."""
    left_out: int
    """Queries that have none, and are in no mean."""
    gallery: int
    """Images that were searched."""
    recall: dict[int, float]
    """By K: share of queries with an image of their class among the K nearest."""
    r_precision: float
    """Mean share of the query's class among the R nearest."""
    map_at_r: float
    """Mean over queries of Σ P(i)·rel(i) / R over the ranks i = 1 … R, with P(i) the precision among the i nearest."""
    per_class: tuple[ClassRetrieval, ...]
    """In the order of the labels; classes without queries are left out."""

    @property
    def precision_at_1(self) -> float:
        """Share of queries whose nearest image is of their class, which is Recall@1."""
        return self.recall[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "precision_at_1": self.precision_at_1}

    def headline(self) -> dict[str, str]:
        """The figures to read first, by name, as text."""
        figures = {f"Recall@{k}": f"{value:.4f}" for k, value in self.recall.items()}
        figures |= {"R-precision": f"{self.r_precision:.4f}", "MAP@R": f"{self.map_at_r:.4f}"}
        return figures | {"queries": f"{self.queries:,}", "searched": f"{self.gallery:,}"}

    def __str__(self) -> str:
        lines = [" · ".join(f"{name} {value}" for name, value in self.headline().items())]
        if self.left_out:
            lines.append(f"{self.left_out:,} queries have no other image of their class and are left out")
        rows = sorted(self.per_class, key=lambda each: each.map_at_r) if self._partly else self.per_class
        width = max(len("class"), *(columns(each.name) for each in rows))
        lines += ["", f"{'class':<{width}}  Recall@1  R-precision   MAP@R  queries"]
        for each in rows[:_CLASSES_SHOWN]:
            name = each.name + " " * (width - columns(each.name))
            lines.append(
                f"{name}  {each.recall_at_1:8.3f}  {each.r_precision:11.3f}  {each.map_at_r:6.3f}  {each.queries:7,}"
            )
        if self._partly:
            lines.append(f"({_CLASSES_SHOWN} classes of lowest MAP@R, of {len(self.per_class)})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        title = " · ".join(f"{name} {value}" for name, value in self.headline().items())
        classes = sorted(self.per_class, key=lambda each: each.map_at_r) if self._partly else self.per_class
        rows = [
            [
                each.name,
                f"{each.recall_at_1:.3f}",
                f"{each.r_precision:.3f}",
                share(each.map_at_r, f"{each.map_at_r:.3f}"),
                f"{each.queries:,}",
            ]
            for each in classes[:_CLASSES_SHOWN]
        ]
        notes = []
        if self.left_out:
            notes.append(f"{self.left_out:,} queries have no other image of their class and are left out")
        if self._partly:
            notes.append(f"the {_CLASSES_SHOWN} classes of lowest MAP@R, of {len(self.per_class):,}")
        head = ("class", "Recall@1", "R-precision", "MAP@R", "queries")
        return card(title, table(head, rows), *map(note, notes))

    @property
    def _partly(self) -> bool:
        return len(self.per_class) > _CLASSES_SHOWN


def score_retrieval(
    vectors: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    *,
    gallery: tuple[Tensor, Tensor] | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    distance: str | Distance = "euclidean",
) -> RetrievalScores:
    """Search the neighbors of every vector and count those of its class.

    Without `gallery` the vectors search among themselves, each query itself left out; with one (vectors M×D and
    labels M) they search it. Definitions: Recall@K by Jégou, Douze & Schmid 2011; R-precision and MAP@R by Musgrave,
    Belongie & Lim 2020, "A metric learning reality check", section 3.2. Every distance is computed, in float32; of
    equal ones the image that comes first is the nearer. 64 MB are used beside the vectors, whatever N and M are.

    Args:
        vectors: float N×D.
        labels: int64 N, each below len(classes).
        ks: ranks of Recall@K; 1 is always among them.
        distance: euclidean, squared, cosine, l1 or a function of N×D and M×D to N×M, whose numbers are compared as
            they are: negative ones and any type are allowed. Vectors of length 1 have one order by the first three.

    Raises InputError for shapes that do not fit, values that are not finite, or where no query has a partner.

    >>> vectors = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    >>> score_retrieval(vectors, torch.tensor([0, 0, 1, 1]), ("a", "b")).map_at_r
    1.0
    """
    found = (vectors, labels) if gallery is None else gallery
    _check(vectors, labels, len(classes))
    _check(*found, len(classes))
    wanted = sorted({1, *ks})
    if wanted[0] < 1 or vectors.shape[1] != found[0].shape[1]:
        raise InputError(
            f"ranks {wanted[:3]}, vectors of {vectors.shape[1]} and {found[0].shape[1]} numbers; "
            "allowed: ranks from 1, vectors of one length"
        )
    partners = torch.bincount(found[1], minlength=len(classes))[labels] - int(gallery is None)
    values = torch.zeros(len(vectors), len(wanted) + 2, dtype=torch.float64)
    search = _Search(found[0], found[1], distance)
    order = partners.argsort(stable=True)  # so that the queries of a block look for about as many
    order = order[partners[order] > 0]
    if len(order) == 0:
        raise InputError("no query has another image of its class; give at least 2 images of a class")
    rows = max(1, _BYTES_AT_ONCE // (_BYTES_PER_CELL * len(found[0])))
    for block in torch.split(order, rows):
        depth = max(int(partners[block].max()), wanted[-1])
        near = search.nearest(vectors[block], depth, block if gallery is None else None)
        values[block] = _scores(near == labels[block, None], partners[block], wanted)
    return _gather(values, labels, partners > 0, len(found[0]), classes, wanted)


class _Search:
    """The labels of a gallery, nearest first."""

    def __init__(self, vectors: Tensor, labels: Tensor, distance: str | Distance) -> None:
        self.labels, self.distance = labels, distance
        self._by_product = distance in ("euclidean", "squared", "cosine")
        self._center = torch.zeros(1)
        if self._by_product:
            prepared = self._prepare(vectors)
            self._center = prepared.mean(0, keepdim=True)
            vectors = prepared - self._center  # smaller numbers lose less in ‖a‖² + ‖b‖² − 2 a·b
            self._squares = vectors.square().sum(1)
        self.vectors = vectors.float()

    def _prepare(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors.float()) if self.distance == "cosine" else vectors.float()

    def nearest(self, queries: Tensor, depth: int, own: Tensor | None) -> Tensor:
        """Labels of the `depth` nearest of each query, or of as many as there are; −1 for the query `own` place."""
        places = (
            self._by_function(queries, depth, own)
            if callable(self.distance)
            else self._by_name(queries, depth, own)
        )
        labels = self.labels[places]
        return labels if own is None else labels.masked_fill(places == own[:, None], -1)

    def _by_name(self, queries: Tensor, depth: int, own: Tensor | None) -> Tensor:
        if self._by_product:
            queries = self._prepare(queries) - self._center
            distances = torch.addmm(self._squares, queries, self.vectors.T, alpha=-2)
            distances += queries.square().sum(1, keepdim=True)
        else:
            distances = distance_function(self.distance)(queries.float(), self.vectors)
        distances = distances.clamp_(min=0)
        if own is not None:
            distances.scatter_(1, own[:, None], torch.inf)
        # floats from 0 on are ordered as their bits are, so distance and place make one whole number without ties
        keys = distances.contiguous().view(torch.int32).to(torch.int64) << 32
        keys += torch.arange(len(self.vectors))
        return keys.topk(min(depth, len(self.vectors)), dim=1, largest=False).values & 0xFFFFFFFF

    def _by_function(self, queries: Tensor, depth: int, own: Tensor | None) -> Tensor:
        """Distances of any sign and type, in the order in which they compare; the query itself comes last."""
        distances = distance_function(self.distance)(queries.float(), self.vectors)
        check_distances(distances, len(queries), len(self.vectors))
        places = distances.detach().argsort(dim=1, stable=True)
        if own is not None:
            others = places[places != own[:, None]].view(len(places), -1)
            places = torch.cat([others, own[:, None]], dim=1)
        return places[:, :depth]


def _scores(hits: Tensor, partners: Tensor, ks: Sequence[int]) -> Tensor:
    """bool B×depth, int64 B → float64 B×(len(ks) + 2): found among the first k, R-precision, average precision at R."""
    ranks = torch.arange(1, hits.shape[1] + 1)
    inside = hits & (ranks <= partners[:, None])
    precision = hits.cumsum(1, dtype=torch.float32) / ranks
    columns = [hits[:, :k].any(1).double() for k in ks]
    columns.append(inside.sum(1) / partners.double())
    columns.append((precision * inside).sum(1, dtype=torch.float64) / partners)
    return torch.stack(columns, dim=1)


def _gather(
    values: Tensor, labels: Tensor, valid: Tensor, searched: int, classes: Sequence[str], ks: Sequence[int]
) -> RetrievalScores:
    means = values[valid].mean(0).tolist()
    rows = []
    for label, name in enumerate(classes):
        members = valid & (labels == label)
        if bool(members.any()):
            own = values[members].mean(0).tolist()
            rows.append(ClassRetrieval(name, int(members.sum()), own[0], own[-2], own[-1]))
    return RetrievalScores(
        queries=int(valid.sum()),
        left_out=int((~valid).sum()),
        gallery=searched,
        recall=dict(zip(ks, means, strict=False)),
        r_precision=means[-2],
        map_at_r=means[-1],
        per_class=tuple(rows),
    )


def _check(vectors: Tensor, labels: Tensor, classes: int) -> None:
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1] or labels.dtype != torch.int64:
        raise InputError(
            f"vectors have shape {tuple(vectors.shape)}, labels {tuple(labels.shape)} of {labels.dtype}; "
            "allowed: float N×D and int64 N"
        )
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise InputError(
            f"{len(labels)} labels for {classes} classes; allowed: at least one, each from 0 to {classes - 1}"
        )
    if not bool(vectors.isfinite().all()):
        raise InputError("vectors hold NaN or infinity; allowed: finite numbers")
