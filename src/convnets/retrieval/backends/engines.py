"""Engines: the kinds of index by name, and how each is found again from an index folder."""

from __future__ import annotations

from typing import Any

from convnets.errors import ImageIndexError, UnknownNameError
from convnets.retrieval.backends.exact_index import ExactIndex
from convnets.retrieval.backends.faiss_index import KINDS, FaissIndex
from convnets.retrieval.backends.qdrant_index import QdrantIndex
from convnets.retrieval.backends.stored_index import StoredIndex
from convnets.retrieval.index import Index
from convnets.retrieval.storage.index_folder import IndexFolder
from convnets.retrieval.storage.segments import stated_file, verify_file

__all__ = ["ENGINES", "engine_settings", "new_engine", "open_engine", "write_structure"]

ENGINES = ("exact", *KINDS)
"""Names of the kinds that keep their vectors in the index folder."""


def new_engine(name: str, dimension: int, precision: str = "fp32") -> StoredIndex:
    """An empty index of that kind.

    >>> len(new_engine("exact", 84))
    0
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    if name == "exact":
        return ExactIndex(dimension, precision=precision)
    return FaissIndex(dimension, name, precision=precision)


def engine_settings(index: Index) -> dict[str, Any]:
    """What the manifest says of an index, enough for `open_engine`."""
    if isinstance(index, FaissIndex):
        return {"kind": index.kind, "depth": index.depth}
    if isinstance(index, QdrantIndex):
        return {"kind": "qdrant", **index.address()}
    return {"kind": "exact"}


def write_structure(index: Index, folder: IndexFolder) -> dict[str, Any]:
    """Write what is searched beside the vectors; returns the changes of the manifest that name it."""
    settings = engine_settings(index)
    others = {name: stated for name, stated in folder.manifest.files.items() if not name.endswith(".faiss")}
    if isinstance(index, FaissIndex) and len(index):
        name = f"structure-{folder.manifest.generation + 1:06d}.faiss"
        index.write(folder.path / name)
        others[name] = stated_file(folder.path / name)
        settings |= {"file": name, "ids": index.id_ranges()}
    return {"engine": settings, "files": others}


def open_engine(folder: IndexFolder) -> Index:
    """The index that a folder describes, with its vectors; raises ImageIndexError when something is damaged."""
    settings, manifest = folder.manifest.engine, folder.manifest
    kind = settings.get("kind")
    if kind == "qdrant":
        return QdrantIndex.at(settings, manifest.dimension)
    if kind not in ENGINES:
        raise ImageIndexError(
            f"{folder.path} has engine {kind!r}; this convnets knows {', '.join(ENGINES)}, qdrant"
        )
    index = new_engine(kind, manifest.dimension, manifest.precision)
    index.store = folder.read()
    if isinstance(index, FaissIndex):
        index.depth = settings.get("depth")
        name = settings.get("file")
        if name is not None:
            verify_file(folder.path / name, manifest.files.get(name, {}))
            index.attach(folder.path / name, settings["ids"])
    return index
