"""The nearest vectors are those that a float64 loop over everything finds."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.backends.exact_search import nearest
from convnets.retrieval.entries import Entries


def unit(count: int, dimension: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)))


def slow_nearest(vectors: Tensor, query: Tensor, k: int, allowed: Tensor | None = None) -> list[int]:
    """Rows by their distance, one after the other, in float64."""
    rows = [row for row in range(len(vectors)) if allowed is None or bool(allowed[row])]
    distance = {row: float((vectors[row].double() - query.double()).square().sum()) for row in rows}
    return sorted(rows, key=lambda row: distance[row])[:k]


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 5000),
    splits=st.lists(st.integers(1, 4999), max_size=3),
    k=st.integers(1, 40),
    seed=st.integers(0, 100),
)
def test_blocks_and_groups_of_any_size_find_what_a_sort_finds(
    count: int, splits: list[int], k: int, seed: int
) -> None:
    vectors, queries = unit(count, 9, seed), unit(3, 9, seed + 1)
    edges = sorted({0, count, *(split for split in splits if split < count)})
    blocks = [vectors[a:b] for a, b in itertools.pairwise(edges)]
    values, rows = nearest(blocks, queries, k)
    expected = (queries.double() @ vectors.double().T).sort(descending=True, stable=True)
    there = min(k, count)
    assert torch.allclose(values[:, :there].double(), expected.values[:, :there], atol=1e-6)
    assert rows[:, :there].sort().values.tolist() == expected.indices[:, :there].sort().values.tolist()
    assert (rows[:, there:] == -1).all()
    assert (values[:, there:] == -torch.inf).all()


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1.0])
def test_only_allowed_rows_are_found(share: float) -> None:
    vectors, queries = unit(3000, 16), unit(5, 16, 1)
    allowed = torch.rand(3000, generator=torch.Generator().manual_seed(2)) < share
    allowed[0] = True
    _, rows = nearest([vectors[:1000], vectors[1000:]], queries, 7, allowed)
    for query, found in zip(queries, rows, strict=True):
        assert found[found >= 0].tolist() == slow_nearest(vectors, query, 7, allowed)


def test_more_queries_than_are_computed_at_once() -> None:
    vectors, queries = unit(500, 8), unit(600, 8, 1)
    _, rows = nearest([vectors], queries, 3)
    assert rows.tolist() == (queries @ vectors.T).topk(3).indices.tolist()


def test_nothing_to_find() -> None:
    values, rows = nearest([], unit(2, 4), 3)
    assert rows.tolist() == [[-1] * 3] * 2
    assert (values == -torch.inf).all()
    assert nearest([unit(5, 4)], torch.empty(0, 4), 3)[1].shape == (0, 3)


def _index(vectors: Tensor, precision: str = "fp32") -> ExactIndex:
    index = ExactIndex(vectors.shape[1], precision=precision)
    index.add(vectors, Entries([str(row) for row in range(len(vectors))]))
    return index


def test_distances_are_exact_for_vectors_that_products_cannot_tell_apart() -> None:
    """Vectors 10⁻⁴ apart: their products are all 1 in float32, their differences are not."""
    base = unit(1, 64)
    offsets = torch.linspace(0, 1e-3, 12)[:, None] * unit(12, 64, 3)
    vectors = F.normalize(base + offsets)
    hits = _index(vectors).search(base, 12)[0]
    assert [int(hit.path) for hit in hits] == slow_nearest(vectors, base[0], 12)
    exact = (vectors.double() - base.double()).square().sum(1).sqrt()
    for hit in hits:
        assert hit.distance == pytest.approx(float(exact[int(hit.path)]), abs=2e-7)
    assert hits[0].distance < 1e-7


def test_bfloat16_finds_nearly_all_of_the_nearest_and_says_their_distances_rightly() -> None:
    vectors, queries = unit(20_000, 64), unit(50, 64, 1)
    exact, rounded = _index(vectors).search(queries, 10), _index(vectors, "bf16").search(queries, 10)
    shared = sum(
        len({hit.path for hit in a} & {hit.path for hit in b}) for a, b in zip(exact, rounded, strict=True)
    )
    assert shared >= 0.95 * 500
    stored = vectors.bfloat16().double()
    for query, hits in zip(queries, rounded, strict=True):
        for hit in hits:
            expected = (stored[int(hit.path)] - query.double()).square().sum().sqrt()
            assert hit.distance == pytest.approx(float(expected), abs=1e-6)


def test_adding_and_removing_leave_what_a_fresh_index_would_hold() -> None:
    vectors, queries = unit(300, 12), unit(20, 12, 1)
    index = ExactIndex(12)
    for start in range(0, 300, 100):
        part = slice(start, start + 100)
        index.add(vectors[part], Entries([str(row) for row in range(start, start + 100)]))
    gone = [str(row) for row in range(0, 300, 7)]
    index.remove(gone)
    kept = [row for row in range(300) if row % 7]
    assert index.store.entries.paths == [str(row) for row in kept]
    for query, hits in zip(queries, index.search(queries, 5), strict=True):
        assert [int(hit.path) for hit in hits] == [kept[row] for row in slow_nearest(vectors[kept], query, 5)]
    assert index.missing(["0", "1", "x"]) == ["0", "x"]


def test_what_is_refused_changes_nothing() -> None:
    index = _index(unit(3, 4))
    cases = [
        (unit(2, 5), ["a", "b"], "2 numbers|5 numbers each, the index holds 4"),
        (2 * unit(2, 4), ["a", "b"], "has length 2; allowed: 1"),
        (torch.full((1, 4), torch.nan), ["a"], "has length nan"),
        (torch.zeros(1, 4), ["a"], "length 0"),
        (unit(2, 4), ["a"], "2 vectors for 1 paths"),
        (unit(1, 4), ["2"], "'2' is in the index already"),
        (torch.ones(2, 4, dtype=torch.int64), ["a", "b"], "float N×D"),
    ]
    for vectors, paths, message in cases:
        with pytest.raises(InputError, match=message):
            index.add(vectors, Entries(paths))
        assert index.store.entries.paths == ["0", "1", "2"]
        assert len(index) == 3
    with pytest.raises(InputError, match="given twice"):
        Entries(["a", "a"])
    with pytest.raises(InputError, match="1 of 2 paths are not in the index, the first is 'x'"):
        index.remove(["0", "x"])
    assert len(index) == 3
    for k in (0, -1):
        with pytest.raises(ConfigError, match="allowed: 1 or more"):
            index.search(unit(1, 4), k)
    with pytest.raises(InputError, match="queries have 3 numbers each, the index holds 4"):
        index.search(unit(1, 3))


def test_the_caller_may_change_its_vectors_afterwards() -> None:
    vectors = unit(3, 4)
    index = ExactIndex(4)
    index.add(vectors, Entries(["a", "b", "c"]))
    before = index.store.all().clone()
    vectors.zero_()
    assert torch.equal(index.store.all(), before)


def test_an_empty_index_finds_nothing_and_k_may_exceed_what_is_there() -> None:
    assert ExactIndex(4).search(unit(2, 4), 3) == [[], []]
    assert len(_index(unit(3, 4)).search(unit(1, 4), 10)[0]) == 3
