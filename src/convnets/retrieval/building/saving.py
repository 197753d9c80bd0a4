"""Saving: changes of an index go to its folder first or not at all, so that memory and disk never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from convnets.checkpoints.model_folder import save_model
from convnets.core.storage.files import atomic_path
from convnets.errors import ConvnetsError, ImageIndexError
from convnets.retrieval.backends.engines import engine_settings
from convnets.retrieval.backends.faiss_index import FaissIndex
from convnets.retrieval.backends.stored_index import StoredIndex
from convnets.retrieval.building.build import Failures
from convnets.retrieval.building.listing import Listing
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.entries import Entries
from convnets.retrieval.index import Index
from convnets.retrieval.storage.index_folder import MODEL_FOLDER, IndexFolder, Manifest
from convnets.retrieval.storage.segments import read_verified, stated_file

__all__ = ["begin_folder", "forget_rows", "read_descriptor", "save_rows"]

_WHITENING_FILE = "descriptor-whitening.safetensors"


def begin_folder(
    path: Path, embedder: Embedder, listing: Listing, index: Index, precision: str
) -> IndexFolder:
    """A folder in which to build, or in which this very build was begun; raises ImageIndexError for another one."""
    plan = {"source": listing.source, "fingerprint": listing.fingerprint, "images": len(listing)}
    engine = engine_settings(index)
    if not IndexFolder.exists(path):
        return _new_folder(path, embedder, index, precision, plan)
    opened = IndexFolder.open(path)
    begun = {name: opened.manifest.build.get(name) for name in plan}
    if not opened.manifest.build:
        raise ImageIndexError(
            f"{path} holds a finished index of {opened.manifest.rows:,} images; add to it, or choose another folder"
        )
    embedder.check(opened.manifest.made_by, str(path))
    if begun != plan or dict(opened.manifest.engine) != engine or opened.manifest.precision != precision:
        raise ImageIndexError(
            f"{path} holds an unfinished index of {begun['images']} images of {begun['source']}, which have changed "
            "since, or this is another build; repeat the build that was begun, or choose another folder"
        )
    return opened


def _new_folder(
    path: Path, embedder: Embedder, index: Index, precision: str, plan: Mapping[str, Any]
) -> IndexFolder:
    build = {**plan, "done": 0}
    manifest = Manifest(index.dimension, precision, embedder.identity(), engine_settings(index), build)
    opened = IndexFolder.create(path, manifest)
    save_model(path / MODEL_FOLDER, embedder.model)
    files = {}
    arrays = embedder.descriptor.arrays()
    if arrays:
        with atomic_path(path / _WHITENING_FILE) as temporary:
            safetensors.torch.save_file(arrays, str(temporary))
        files[_WHITENING_FILE] = stated_file(path / _WHITENING_FILE)
    with opened.change():
        opened.commit(replace(manifest, files=files))
    return opened


def read_descriptor(folder: IndexFolder) -> Descriptor:
    """The descriptor of an index; raises ImageIndexError when it is damaged."""
    manifest = folder.manifest
    arrays = None
    if _WHITENING_FILE in manifest.files:
        content = read_verified(folder.path / _WHITENING_FILE, manifest.files[_WHITENING_FILE])
        arrays = safetensors.torch.load(content)
    try:
        return Descriptor.from_dict(manifest.made_by["descriptor"], arrays)
    except (ConvnetsError, KeyError, TypeError) as error:
        raise ImageIndexError(f"{folder.path}: {error}; build the index again") from None


def save_rows(
    index: Index, folder: IndexFolder | None, vectors: Tensor, entries: Entries, failures: Failures
) -> None:
    """Add to an index and its folder, both or neither."""
    before = len(index) if isinstance(index, StoredIndex) else 0
    index.add(vectors, entries)
    if folder is None or not isinstance(index, StoredIndex):
        return
    try:
        folder.append(index.store, before, failures=folder.manifest.failures + failures)
    except BaseException:
        index.remove(entries.paths)
        raise


def forget_rows(index: Index, folder: IndexFolder | None, paths: Sequence[str]) -> None:
    """Remove from an index and its folder, both or neither."""
    if folder is None or not isinstance(index, StoredIndex):
        index.remove(paths)
        return
    gone = index.store.mask_of(paths)  # refuses unknown paths before anything is written
    changes = {}
    if isinstance(index, FaissIndex) and "file" in folder.manifest.engine:
        changes["engine"] = {**folder.manifest.engine, "ids": index.ranges_without(gone)}
    folder.remove(paths, **changes)
    index.remove(paths)
