"""The Qdrant adapter: an index on a Qdrant server, for collections beyond one machine; the extra `qdrant`.

Its vectors, paths and columns lie in one collection; distance is the angle's cosine, which for unit vectors orders
as the Euclidean distance does.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from convnets.errors import ConfigError, ImageIndexError, InputError
from convnets.retrieval.entries import Entries
from convnets.retrieval.hit import Hit
from convnets.retrieval.index import check_count, check_vectors
from convnets.retrieval.metadata_filter import Filter, MetadataFilter

__all__ = ["QdrantIndex"]

_T = TypeVar("_T")
_BATCH = 256  # points of one request
_ATTEMPTS, _FIRST_PAUSE = 4, 0.5  # of a request, and seconds before the second; doubled each time
_SPACE = uuid.UUID("6f1c7c2e-6d59-4c41-9f5a-6f0b2a6c0c11")  # a path's point number is derived from it
_PATH = "path"


class QdrantIndex:
    """An `Index` in a collection of a Qdrant server, or of Qdrant's embedded mode.

    A request that fails for reasons of the network is repeated, up to 4 times in all. A batch of 256 images is added
    as a whole or not at all; when a later batch of an `add` fails, the earlier ones are removed again.

    Args:
        collection: name; made when it is not there.
        dimension: numbers of each vector.
        location: `http://host:6333`, `:memory:`, or a folder for the embedded mode. The key of a server that wants
            one is read from $QDRANT_API_KEY.
        client: a `qdrant_client.QdrantClient` to use in place of `location`.

    Raises ConfigError where qdrant-client is not installed, ImageIndexError where the server does not answer or the
    collection holds vectors of another size.
    """

    def __init__(
        self, collection: str, dimension: int, *, location: str = ":memory:", client: Any = None
    ) -> None:
        self._models = _import_qdrant().models
        self.collection, self.location, self._dimension = collection, location, dimension
        self._client = _connect(location) if client is None else client
        self._try(self._open)

    @classmethod
    def at(cls, address: Mapping[str, Any], dimension: int) -> QdrantIndex:
        """The inverse of `address`."""
        return cls(str(address["collection"]), dimension, location=str(address["location"]))

    def address(self) -> dict[str, Any]:
        """Where the collection is."""
        return {"location": self.location, "collection": self.collection}

    @property
    def dimension(self) -> int:
        """Numbers of each vector."""
        return self._dimension

    def __len__(self) -> int:
        return int(self._try(lambda: self._client.count(self.collection, exact=True)).count)

    def missing(self, paths: Sequence[str]) -> list[str]:
        """See `Index.missing`."""
        missing: list[str] = []
        for part in _batches(paths):
            ids = [_number(path) for path in part]
            found = self._try(partial(self._client.retrieve, self.collection, ids, with_payload=False))
            there = {str(point.id) for point in found}
            missing += [path for path, number in zip(part, ids, strict=True) if number not in there]
        return missing

    def add(self, vectors: Tensor, entries: Entries) -> None:
        """See `Index.add`."""
        checked = check_vectors(vectors, self.dimension)
        if len(checked) != len(entries):
            raise InputError(f"{len(checked)} vectors for {len(entries)} paths; give one for each")
        there = set(entries.paths) - set(self.missing(entries.paths))
        if there:
            raise InputError(
                f"path {min(there)!r} is in the index already; remove it first, or give another path"
            )
        done: list[str] = []
        try:
            for rows in _batches(range(len(entries))):
                points = [
                    self._models.PointStruct(
                        id=_number(entries.paths[row]),
                        vector=checked[row].tolist(),
                        payload={_PATH: entries.paths[row], "columns": entries.row(row)},
                    )
                    for row in rows
                ]
                done += [entries.paths[row] for row in rows]
                self._try(partial(self._client.upsert, self.collection, points, wait=True))
        except BaseException:
            self._delete(done)
            raise

    def remove(self, paths: Sequence[str]) -> None:
        """See `Index.remove`."""
        missing = self.missing(paths)
        if missing:
            raise InputError(
                f"{len(missing)} of {len(paths)} paths are not in the index, the first is {missing[0]!r}; "
                "give paths as searches show them"
            )
        self._delete(paths)

    def _delete(self, paths: Sequence[str]) -> None:
        for part in _batches(paths):
            chosen = self._models.PointIdsList(points=[_number(path) for path in part])
            self._try(partial(self._client.delete, self.collection, chosen, wait=True))

    def search(
        self, queries: Tensor, k: int = 10, *, where: Filter | MetadataFilter | None = None
    ) -> list[list[Hit]]:
        """See `Index.search`; a column or value in `where` that no image has finds nothing."""
        check_count(k)
        queries = check_vectors(queries, self.dimension, "queries")
        wanted = self._filter(MetadataFilter.of(where))
        found: list[list[Hit]] = []
        for part in _batches(queries.tolist()):
            requests = [
                self._models.QueryRequest(query=query, limit=k, filter=wanted, with_payload=True)
                for query in part
            ]
            answers = self._try(partial(self._client.query_batch_points, self.collection, requests))
            found += [[_hit(point) for point in answer.points] for answer in answers]
        return found

    def _filter(self, where: MetadataFilter | None) -> Any:
        if where is None:
            return None
        models, wanted, refused = self._models, [], []
        for condition in where.conditions:
            key = f"columns.{condition.column}"
            each = [
                models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
                if value is None
                else models.FieldCondition(key=key, match=models.MatchValue(value=value))
                for value in condition.values
            ]
            if condition.negated:
                refused += each
            else:
                wanted.append(models.Filter(should=each))
        return models.Filter(must=wanted, must_not=refused)

    def _open(self) -> None:
        client, models = self._client, self._models
        if not client.collection_exists(self.collection):
            size = models.VectorParams(size=self.dimension, distance=models.Distance.COSINE)
            client.create_collection(self.collection, vectors_config=size)
            return
        known = client.get_collection(self.collection).config.params.vectors
        size = getattr(known, "size", None)
        if size != self.dimension:
            raise ImageIndexError(
                f"collection {self.collection!r} at {self.location} holds vectors of {size} numbers, these have "
                f"{self.dimension}; choose another collection"
            )

    def _try(self, request: Callable[[], _T]) -> _T:
        """The answer of a request, repeated after a pause where the network failed."""
        errors = _failures()
        for attempt in range(_ATTEMPTS):
            try:
                return request()
            except errors as error:
                if attempt == _ATTEMPTS - 1 or _is_refusal(error):
                    raise ImageIndexError(
                        f"Qdrant at {self.location} failed after {attempt + 1} attempts "
                        f"({' '.join(str(error).split()):.120}); check that it runs and can be reached"
                    ) from None
            time.sleep(_FIRST_PAUSE * 2**attempt)
        raise AssertionError("the loop returns or raises")


def _hit(point: Any) -> Hit:
    """Distances of unit vectors from the cosine; near 0 it knows them to about 3·10⁻⁴."""
    payload = point.payload or {}
    distance = math.sqrt(max(0.0, 2 - 2 * float(point.score)))
    return Hit(str(payload.get(_PATH)), distance, dict(payload.get("columns") or {}))


def _number(path: str) -> str:
    return str(uuid.uuid5(_SPACE, path.encode("utf-8", "surrogateescape").hex()))


def _batches(values: Sequence[_T]) -> list[Sequence[_T]]:
    return [values[start : start + _BATCH] for start in range(0, len(values), _BATCH)]


def _is_refusal(error: BaseException) -> bool:
    """Whether the server answered that the request is wrong: it would be wrong again."""
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)


def _connect(location: str) -> Any:
    client = _import_qdrant().QdrantClient
    if location == ":memory:":
        return client(":memory:")
    if location.startswith(("http://", "https://")):
        # a check of versions would go on in a thread of its own and warn when no server answers, which we say ourselves
        return client(url=location, api_key=os.environ.get("QDRANT_API_KEY"), check_compatibility=False)
    return client(path=location)


def _failures() -> tuple[type[BaseException], ...]:
    """What the client raises when the network or the server fails."""
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    return (ConnectionError, TimeoutError, QdrantException, ResponseHandlingException, UnexpectedResponse)


def _import_qdrant() -> Any:
    try:
        import qdrant_client
    except ImportError:
        raise ConfigError(
            "this index needs qdrant-client, which is not installed; pip install 'convnets[qdrant]', "
            "or use the exact index"
        ) from None
    return qdrant_client
