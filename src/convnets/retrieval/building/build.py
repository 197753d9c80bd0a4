"""Building: vectors of a listing go into an index, step by step, and a killed build goes on where it was.

N images.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from convnets.core.progress import Progress
from convnets.core.thread_pace import ThreadPace
from convnets.data.image_set import PictureFiles
from convnets.data.images.names import printable
from convnets.errors import DataError, ImageDecodeError
from convnets.evaluation.scores import images_at_once
from convnets.retrieval.backends.engines import engine_settings, write_structure
from convnets.retrieval.backends.stored_index import StoredIndex
from convnets.retrieval.building.listing import Listing
from convnets.retrieval.building.picture_stream import PictureBatch, stream_pictures
from convnets.retrieval.building.thread_balance import ThreadBalance
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.entries import Entries
from convnets.retrieval.index import Index
from convnets.retrieval.storage.index_folder import IndexFolder

__all__ = ["Described", "Failures", "build_into", "describe_listing", "finish"]

Failures = tuple[tuple[str, str], ...]
"""Paths of pictures that could not be read, and why."""

_SECONDS_BETWEEN_SAVES = 10.0  # at most this much work is lost when a build is killed
_ROWS_BETWEEN_SAVES = 65_536


@dataclass(frozen=True)
class Described:
    """Vectors of a stretch of a listing."""

    stop: int
    """Images of the listing that are done."""
    vectors: Tensor
    """float32 n×D, of length 1."""
    entries: Entries
    failures: Failures


def describe_listing(
    embedder: Embedder,
    listing: Listing,
    *,
    start: int = 0,
    strict: bool = False,
    progress: Progress | None = None,
) -> Iterator[Described]:
    """The listing's images from `start` on as vectors, a batch at a time; decoding runs ahead on other threads.

    strict: a picture that cannot be read raises its ImageDecodeError, instead of becoming a failure.
    """
    size = images_at_once(embedder.preprocess, 1, embedder.hardware)
    workers = max(1, embedder.hardware.threads)
    stream = stream_pictures(listing.images, embedder.preprocess, size, start=start, workers=workers)
    balance = ThreadBalance(workers if isinstance(listing.images, PictureFiles) else 1)
    with ThreadPace(embedder.hardware) as pace:
        for batch in balance.waiting_for(stream):
            if strict and batch.failures:
                raise ImageDecodeError(batch.failures[0][1])
            with balance.working() if balance.single else pace.working():
                part = _described(embedder, listing, batch)
            yield part
            if progress is not None:
                progress(f"indexing {listing.source}", batch.stop, len(listing))


def _described(embedder: Embedder, listing: Listing, batch: PictureBatch) -> Described:
    failures = tuple((printable(listing.entries.paths[place]), reason) for place, reason in batch.failures)
    if not batch.rows:
        return Described(batch.stop, torch.empty(0, 0), Entries([]), failures)
    entries = listing.entries.select(batch.rows)
    vectors = embedder(batch.pixels, f"the batch that starts with {printable(entries.paths[0])}")
    return Described(batch.stop, vectors, entries, failures)


def build_into(
    index: Index,
    embedder: Embedder,
    listing: Listing,
    folder: IndexFolder | None,
    *,
    strict: bool = False,
    progress: Progress | None = None,
) -> Failures:
    """Index a whole listing; with a folder, what is done is safe there every few seconds.

    A folder whose manifest says that part of this listing is done already goes on behind that part. Returns the
    pictures that could not be read. Raises DataError when none of them could.
    """
    if isinstance(index, StoredIndex):
        index.check_size(len(listing))
    plan: dict[str, Any] = {} if folder is None else dict(folder.manifest.build)
    failures: Failures = () if folder is None else folder.manifest.failures
    start, kept = int(plan.get("done", 0)), len(index) if isinstance(index, StoredIndex) else 0
    resumed, saved = start > 0, time.monotonic()
    for part in describe_listing(embedder, listing, start=start, strict=strict, progress=progress):
        _take(index, part, resumed)
        resumed, failures = False, failures + part.failures
        late = time.monotonic() - saved > _SECONDS_BETWEEN_SAVES
        rows = len(index) - kept if isinstance(index, StoredIndex) else 0
        if folder is not None and (late or rows >= _ROWS_BETWEEN_SAVES) and part.stop < len(listing):
            kept, saved = (
                _save(index, folder, kept, build={**plan, "done": part.stop}, failures=failures),
                time.monotonic(),
            )
    if len(failures) == len(listing):
        raise DataError(
            f"{listing.source}: none of {len(listing)} pictures can be read; the first: {failures[0][1]}"
        )
    if folder is not None:
        if isinstance(index, StoredIndex):
            kept = _save(index, folder, kept, build={**plan, "done": len(listing)}, failures=failures)
        finish(index, folder, failures)
    return failures


def _take(index: Index, part: Described, resumed: bool) -> None:
    if not len(part.entries):
        return
    vectors, entries = part.vectors, part.entries
    if resumed and not isinstance(
        index, StoredIndex
    ):  # a server may hold what the manifest does not know of yet
        missing = set(index.missing(entries.paths))
        rows = [row for row, path in enumerate(entries.paths) if path in missing]
        vectors, entries = vectors[rows], entries.select(rows)
    if len(entries):
        index.add(vectors, entries)


def _save(index: Index, folder: IndexFolder, kept: int, **changes: Any) -> int:
    """Commit the rows behind the first `kept`; returns how many are safe now."""
    if isinstance(index, StoredIndex):
        folder.append(index.store, kept, **changes)
        return len(index)
    with folder.change():
        folder.commit(replace(folder.manifest, **changes))
    return 0


def finish(index: Index, folder: IndexFolder, failures: Failures) -> None:
    """Say in the folder that the build is complete, with the structure that is searched."""
    with folder.change():
        changes = (
            write_structure(index, folder)
            if isinstance(index, StoredIndex)
            else {"engine": engine_settings(index)}
        )
        folder.commit(replace(folder.manifest, build={}, failures=failures, **changes))
