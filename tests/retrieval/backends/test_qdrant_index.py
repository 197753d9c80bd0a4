"""The Qdrant adapter: the protocol as the exact index keeps it, in embedded mode; retries, with a client that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.errors import ConfigError, ImageIndexError, InputError
from convnets.retrieval.backends import qdrant_index
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.backends.qdrant_index import QdrantIndex
from convnets.retrieval.entries import Entries
from convnets.retrieval.image_index import ImageIndex
from convnets.retrieval.index import Index

from ..conftest import small_set

qdrant_client = pytest.importorskip("qdrant_client", reason="pip install 'convnets[qdrant]'")


def unit(count: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)))


def entries(count: int, prefix: str = "") -> Entries:
    columns = {
        "class": [("bag", "coat", "shoe")[row % 3] for row in range(count)],
        "size": list(range(count)),
    }
    return Entries([f"{prefix}{row}" for row in range(count)], columns)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of 16 points, and no time lost between attempts."""
    monkeypatch.setattr(qdrant_index, "_BATCH", 16)
    monkeypatch.setattr(qdrant_index, "_FIRST_PAUSE", 0.0)


@pytest.fixture
def both() -> tuple[QdrantIndex, ExactIndex]:
    """An embedded collection and an exact index of the same 60 vectors."""
    indexes = QdrantIndex("pictures", 16), ExactIndex(16)
    for index in indexes:
        index.add(unit(60), entries(60))
    return indexes


@pytest.mark.parametrize(
    "where",
    [
        None,
        {"class": "coat"},
        {"class": ["coat", "bag"]},
        {"size": 7},
        {"class": "coat", "size": [1, 4, 5]},
    ],
)
def test_it_finds_what_the_exact_index_finds(both: tuple[QdrantIndex, ExactIndex], where: Any) -> None:
    served, exact = both
    for some, all_ in zip(
        served.search(unit(20, 1), 8, where=where), exact.search(unit(20, 1), 8, where=where), strict=True
    ):
        assert [(hit.path, hit.metadata) for hit in some] == [(hit.path, hit.metadata) for hit in all_]
        assert [hit.distance for hit in some] == pytest.approx([hit.distance for hit in all_], abs=5e-4)


def test_negated_filters(both: tuple[QdrantIndex, ExactIndex]) -> None:
    from convnets.retrieval.metadata_filter import MetadataFilter

    where = MetadataFilter.parse(["class!=coat"])
    paths = [[hit.path for hit in index.search(unit(1, 1), 50, where=where)[0]] for index in both]
    assert paths[0] == paths[1]
    assert len(paths[0]) == 40


def test_removing_and_missing(both: tuple[QdrantIndex, ExactIndex]) -> None:
    served, _ = both
    gone = [str(row) for row in range(0, 60, 2)]
    for index in both:
        index.remove(gone)
        assert len(index) == 30
        assert index.missing(["0", "1", "x"]) == ["0", "x"]
    paths = [[[hit.path for hit in hits] for hits in index.search(unit(5, 1), 30)] for index in both]
    assert paths[0] == paths[1]
    with pytest.raises(InputError, match="1 of 2 paths are not in the index, the first is '0'"):
        served.remove(["1", "0"])
    assert len(served) == 30


def test_what_is_refused_changes_nothing(both: tuple[QdrantIndex, ExactIndex]) -> None:
    served, _ = both
    with pytest.raises(InputError, match="'5' is in the index already"):
        served.add(unit(2), Entries(["new", "5"]))
    with pytest.raises(InputError, match="queries have 3 numbers each, the index holds 16"):
        served.search(torch.eye(3))
    assert len(served) == 60
    assert isinstance(served, Index)


class Flaky:
    """A client whose calls of one method fail a number of times."""

    def __init__(self, client: Any, method: str, failures: int, error: Exception, after: int = 0) -> None:
        self._client, self._method = client, method
        self.failures, self._error, self._after = failures, error, after
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def call(*given: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls > self._after and self.failures > 0:
                self.failures -= 1
                raise self._error
            return real(*given, **named)

        return call


def _refusal(status: int) -> Exception:
    from httpx import Headers
    from qdrant_client.http.exceptions import UnexpectedResponse

    return UnexpectedResponse(status, "reason", b"content", Headers())


@pytest.mark.parametrize(
    "error", [ConnectionError("gone"), TimeoutError("late"), _refusal(503), _refusal(429)]
)
def test_a_network_that_fails_for_a_while(error: Exception) -> None:
    client = Flaky(qdrant_client.QdrantClient(":memory:"), "upsert", 3, error)
    index = QdrantIndex("pictures", 16, client=client)
    index.add(unit(20), entries(20))
    assert (len(index), client.calls) == (20, 2 + 3)


def test_adding_is_undone_when_the_network_stays_away() -> None:
    client = Flaky(qdrant_client.QdrantClient(":memory:"), "upsert", 99, ConnectionError("gone"), after=2)
    index = QdrantIndex("pictures", 16, client=client)
    with pytest.raises(ImageIndexError, match=r"failed after 4 attempts \(gone\); check that it runs"):
        index.add(unit(60), entries(60))
    assert len(index) == 0


def test_a_request_that_is_refused_is_not_repeated() -> None:
    client = Flaky(qdrant_client.QdrantClient(":memory:"), "count", 99, _refusal(403))
    with pytest.raises(ImageIndexError, match="failed after 1 attempts"):
        len(QdrantIndex("pictures", 16, client=client))


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ImageIndexError, match=r"Qdrant at http://127\.0\.0\.1:9 failed after 4 attempts"):
        QdrantIndex("pictures", 16, location="http://127.0.0.1:9")


def test_a_collection_of_another_size() -> None:
    client = qdrant_client.QdrantClient(":memory:")
    QdrantIndex("pictures", 16, client=client)
    with pytest.raises(ImageIndexError, match="holds vectors of 16 numbers, these have 8"):
        QdrantIndex("pictures", 8, client=client)


@pytest.mark.usefixtures("tiny_batches")
def test_an_image_index_over_it_and_a_build_that_goes_on(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convnets.retrieval.building import build as building

    images, path = small_set(70), tmp_path / "index"
    location = str(tmp_path / "qdrant")
    dimension = ImageIndex.build(model, small_set(5)).index.dimension
    served = QdrantIndex("pictures", dimension, location=location)
    take, calls = building._take, []

    def stop(*given: Any) -> None:
        take(*given)
        calls.append(given[1].stop)
        if len(calls) == 3:  # the server has the third batch, the manifest does not know of it
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(building, "_take", stop)
        with pytest.raises(KeyboardInterrupt):
            ImageIndex.build(model, images, path, engine=served)
    assert len(served) == 48
    index = ImageIndex.build(model, images, path, engine=served)
    assert len(index) == 70
    exact = ImageIndex.build(model, images)
    query = images.pixels[11]
    assert [hit.path for hit in index.search(query, 5)] == [hit.path for hit in exact.search(query, 5)]
    index.add(small_set(3, seed=5, source="more"))
    served._client.close()
    again = ImageIndex.load(path)
    assert len(again) == 73
    found, expected = again.search(query, 3), index_hits(exact, query, again)
    assert [(hit.path, hit.metadata) for hit in found] == [(hit.path, hit.metadata) for hit in expected]
    # the client's products are rounded in another order for another number of hits
    assert [hit.distance for hit in found] == pytest.approx([hit.distance for hit in expected], abs=1e-12)
    with pytest.raises(InputError, match="keeps its vectors elsewhere"):
        _ = again.vectors
    again.index._client.close()  # type: ignore[attr-defined]


def index_hits(exact: ImageIndex, query: Tensor, served: ImageIndex) -> list[Any]:
    """The exact index's nearest 3 as the served one says them."""
    found = {hit.path: hit for hit in served.search(query, 73)}
    return [found[hit.path] for hit in exact.search(query, 3)]


def test_without_the_client_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "qdrant_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'convnets\[qdrant\]'"):
        QdrantIndex("pictures", 16)
