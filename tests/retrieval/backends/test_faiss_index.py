"""FAISS indexes find nearly all of the true nearest, and keep to the same promises as the exact index."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.errors import ConfigError, ImageIndexError, UnknownNameError
from convnets.retrieval.backends import faiss_index
from convnets.retrieval.backends.engines import new_engine
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.backends.faiss_index import FaissIndex
from convnets.retrieval.entries import Entries
from convnets.retrieval.evaluation.index_scores import search_quality
from convnets.retrieval.image_index import ImageIndex

from ..conftest import small_set

pytest.importorskip("faiss", reason="pip install 'convnets[faiss]'")


def clustered(count: int, dimension: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(20, dimension, generator=torch.Generator().manual_seed(99))
    noise = torch.randn(count, dimension, generator=generator)
    return F.normalize(centers[torch.randint(20, (count,), generator=generator)] + 0.7 * noise)


def entries(count: int, start: int = 0) -> Entries:
    rows = range(start, start + count)
    return Entries([str(row) for row in rows], {"class": ["even" if row % 2 == 0 else "odd" for row in rows]})


@pytest.fixture(autouse=True)
def small_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """IVF-PQ of a size for tests."""
    monkeypatch.setattr(faiss_index, "_SMALLEST_TRAINING", 1000)
    monkeypatch.setattr(faiss_index, "_CODE_BYTES", 16)


@pytest.fixture(params=["hnsw", "ivfpq"])
def both(request: pytest.FixtureRequest) -> tuple[FaissIndex, ExactIndex]:
    """A FAISS index and an exact one of the same 4,000 vectors."""
    return _both(request.param)


def _both(kind: str) -> tuple[FaissIndex, ExactIndex]:
    vectors = clustered(4000)
    quick, exact = FaissIndex(32, kind), ExactIndex(32)
    for index in (quick, exact):
        index.add(vectors, entries(4000))
    return quick, exact


_as_built = functools.cache(_both)
"""The structure is built at the first search, which takes a second: once for all tests that only search."""


@pytest.fixture(params=["hnsw", "ivfpq"])
def only_searched(request: pytest.FixtureRequest) -> Iterator[tuple[FaissIndex, ExactIndex]]:
    """The same two, which nothing may be added to or removed from."""
    quick, exact = _as_built(request.param)
    depth = quick.depth
    yield quick, exact
    quick.depth = depth
    assert len(quick) == len(exact) == 4000


def shared(quick: FaissIndex, exact: ExactIndex, queries: Tensor, k: int = 10, **given: object) -> float:
    """Share of the true nearest that are found; distances of what is found must be exact."""
    found = 0
    for some, all_ in zip(quick.search(queries, k, **given), exact.search(queries, k, **given), strict=True):  # type: ignore[arg-type]
        known = {hit.path: hit.distance for hit in all_}
        for hit in some:
            if hit.path in known:
                assert hit.distance == pytest.approx(known[hit.path], abs=1e-6)
        assert [hit.distance for hit in some] == sorted(hit.distance for hit in some)
        found += len({hit.path for hit in some} & set(known))
    return found / sum(min(k, len(hits)) for hits in exact.search(queries, k, **given))  # type: ignore[arg-type]


def test_nearly_all_of_the_nearest_are_found(only_searched: tuple[FaissIndex, ExactIndex]) -> None:
    quick, exact = only_searched
    least = 0.98 if quick.kind == "hnsw" else 0.75
    assert shared(quick, exact, clustered(100, seed=1)) >= least
    assert shared(quick, exact, clustered(100, seed=1), where={"class": "odd"}) >= least - 0.05
    few = {"class": "odd"}
    assert {hit.label for hits in quick.search(clustered(5, seed=2), 20, where=few) for hit in hits} == {
        "odd"
    }


def test_deeper_searches_find_more(only_searched: tuple[FaissIndex, ExactIndex]) -> None:
    quick, exact = only_searched
    queries = clustered(100, seed=3)
    shares = []
    for depth in (1, 400):
        quick.depth = depth
        shares.append(shared(quick, exact, queries))
    assert shares[0] < shares[1]


def test_what_is_removed_is_not_found_and_what_is_added_is(both: tuple[FaissIndex, ExactIndex]) -> None:
    quick, exact = both
    queries = clustered(50, seed=1)
    quick.search(queries[:1])
    gone = [str(row) for row in range(600)]
    fresh = clustered(200, seed=7)
    for index in (quick, exact):
        index.remove(gone)
        index.add(fresh, entries(200, start=20_000))
    found = quick.search(queries, 10)
    assert not {hit.path for hits in found for hit in hits} & set(gone)
    assert shared(quick, exact, queries) >= (0.97 if quick.kind == "hnsw" else 0.7)
    assert quick.search(fresh[:20], 1)[3][0].path == "20003"
    most = [str(row) for row in range(600, 2800)]
    for index in (quick, exact):
        index.remove(most)  # so many that the structure is built anew
    assert shared(quick, exact, queries) >= (0.97 if quick.kind == "hnsw" else 0.7)
    assert int(quick._structure.ntotal) == 4000 - 2800 + 200


def test_filters_that_leave_few_are_exact(both: tuple[FaissIndex, ExactIndex]) -> None:
    quick, exact = both
    rare = Entries(["rare"], {"class": ["rare"]})
    for index in (quick, exact):
        index.add(clustered(1, seed=8), rare)
    hits = quick.search(clustered(1, seed=9), 10, where={"class": "rare"})[0]
    assert hits == exact.search(clustered(1, seed=9), 10, where={"class": "rare"})[0]
    assert [hit.path for hit in hits] == ["rare"]


def test_quality_is_measured_against_the_exact_search(only_searched: tuple[FaissIndex, ExactIndex]) -> None:
    quick, exact = only_searched
    assert search_quality(exact, queries=20).recall == 1.0
    assert 0.7 < search_quality(quick, queries=50).recall <= 1.0
    quick.depth = 1
    assert search_quality(quick, queries=50).recall < 1.0


def test_on_disk_with_its_structure(model: TrainedModel, tmp_path: Path) -> None:
    images, path = small_set(300), tmp_path / "index"
    index = ImageIndex.build(model, images, path, engine="hnsw")
    queries = [images.pixels[row] for row in (0, 7, 250)]
    expected = ImageIndex.build(model, images).search_many(queries, 5)
    assert index.search_many(queries, 5) == expected
    again = ImageIndex.load(path)
    assert isinstance(again.index, FaissIndex)
    assert int(again.index._structure.ntotal) == 300  # read, not built
    assert again.search_many(queries, 5) == expected
    again.remove(["made up/7"])
    again.add(small_set(5, seed=4, source="more"))
    third = ImageIndex.load(path)
    assert third.entries.paths == again.entries.paths
    assert third.search_many(queries, 5) == again.search_many(queries, 5)
    assert third.search(small_set(5, seed=4).pixels[2], 1)[0].path == "more/2"
    (structure,) = path.glob("*.faiss")
    structure.write_bytes(structure.read_bytes()[:-1])
    with pytest.raises(ImageIndexError, match=r"structure-\d+\.faiss is damaged"):
        ImageIndex.load(path)


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'hsnw'; nearest: hnsw"):
        new_engine("hsnw", 8)
    with pytest.raises(ConfigError, match="depth is 0"):
        FaissIndex(8, depth=0)
    index = FaissIndex(32, "ivfpq")
    index.add(clustered(10), entries(10))
    with pytest.raises(ConfigError, match=r"over 10 vectors; it needs at least 1,000"):
        index.search(clustered(1))
    with pytest.raises(ConfigError, match=r"over 7 vectors"):
        index.check_size(7)


def test_without_faiss_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ConfigError, match=r"pip install 'convnets\[faiss\]'"):
        FaissIndex(8)
