"""The index folder: a manifest, the segments that it names, and the model whose vectors they hold.

index.json · segment-000001.safetensors + .json … · model/ · descriptor.safetensors where there is a whitening

Every change writes new files first and then the manifest, whole or not at all: a reader, or a process that starts
after this one was killed, sees the index before the change or after it. Files that no manifest names are left-overs
of a change that never happened; the next change removes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from convnets.checkpoints.model_config import sealed
from convnets.core.environment import versions
from convnets.core.storage.file_lock import locked
from convnets.core.storage.files import write_json
from convnets.errors import ImageIndexError
from convnets.retrieval.storage.segments import Segment
from convnets.retrieval.storage.vector_store import PRECISIONS, VectorStore

__all__ = ["FORMAT_VERSION", "MANIFEST_FILE", "MODEL_FOLDER", "IndexFolder", "Manifest"]

FORMAT_VERSION = 1
MANIFEST_FILE, MODEL_FOLDER, _LOCK_FILE = "index.json", "model", ".lock"
_SMALL_SEGMENT = 2048  # rows; what is added to a smaller last segment is written together with it


@dataclass(frozen=True)
class Manifest:
    """index.json as values."""

    dimension: int
    precision: str
    """How vectors are stored: fp32 or bf16."""
    made_by: Mapping[str, Any]
    """What made the vectors; see `Embedder`."""
    engine: Mapping[str, Any]
    """How they are searched, with its settings and files."""
    build: Mapping[str, Any]
    """What is being indexed, and how far that is; empty when nothing is under way."""
    segments: tuple[Segment, ...] = ()
    generation: int = 0
    """Counts the changes, so that two processes cannot undo each other's."""
    failures: tuple[tuple[str, str], ...] = ()
    """Paths of pictures that could not be read, and why."""
    files: Mapping[str, Any] = field(default_factory=dict)
    """Other files of this folder: size in bytes and SHA-256 by name."""

    @property
    def rows(self) -> int:
        """Images in the index."""
        return sum(segment.rows for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": "convnets-index",
            "format_version": FORMAT_VERSION,
            "generation": self.generation,
            "images": self.rows,
            "dimension": self.dimension,
            "precision": self.precision,
            "made_by": dict(self.made_by),
            "engine": dict(self.engine),
            "build": dict(self.build),
            "segments": [segment.to_dict() for segment in self.segments],
            "files": dict(self.files),
            "failures": [list(each) for each in self.failures],
            "versions": versions(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Manifest:
        """The inverse of `to_dict`; raises KeyError, TypeError or ValueError for what it did not write."""
        if values["precision"] not in PRECISIONS:
            raise ValueError(f"precision {values['precision']!r}")
        return cls(
            int(values["dimension"]),
            values["precision"],
            {**values["made_by"]},
            {**values["engine"]},
            {**values["build"]},
            tuple(Segment.from_dict(each) for each in values["segments"]),
            int(values["generation"]),
            tuple((str(path), str(reason)) for path, reason in values["failures"]),
            {**values["files"]},
        )


class IndexFolder:
    """An index on disk, and the manifest as it was last read or written here."""

    def __init__(self, path: Path | str, manifest: Manifest) -> None:
        self.path, self.manifest = Path(path), manifest

    @staticmethod
    def exists(path: Path | str) -> bool:
        """Whether an index is there, finished or not."""
        return (Path(path) / MANIFEST_FILE).exists()

    @classmethod
    def create(cls, path: Path | str, manifest: Manifest) -> IndexFolder:
        """Begin an index in a new or empty folder, or in the place of one that is there."""
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise ImageIndexError(f"{folder} is a file; choose another folder for the index")
        if folder.is_dir() and not cls.exists(folder):
            strangers = [each.name for each in folder.iterdir() if not _is_ours(each.name)]
            if strangers:
                raise ImageIndexError(
                    f"{folder} holds other files, such as {strangers[0]!r}; choose an empty folder"
                )
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, manifest)

    @classmethod
    def open(cls, path: Path | str) -> IndexFolder:
        """Read the manifest; raises ImageIndexError when it is missing, damaged, or of a newer format."""
        folder, file = Path(path), Path(path) / MANIFEST_FILE
        if not file.is_file():
            found = "does not exist" if not folder.exists() else f"is no index: it holds no {MANIFEST_FILE}"
            raise ImageIndexError(f"{folder} {found}; give the folder that `convnets index build` made")
        try:
            values = json.loads(file.read_bytes())
            if values["format"] != "convnets-index":
                raise ValueError(f"format {values['format']!r}")
            version = int(values["format_version"])
            if version == FORMAT_VERSION and values["sha256"] != sealed(values)["sha256"]:
                raise ValueError("its content does not fit its checksum")
            manifest = Manifest.from_dict(values) if version == FORMAT_VERSION else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            kind = type(error).__name__ if isinstance(error, KeyError) else ""
            raise ImageIndexError(
                f"{file} is damaged ({f'{kind} {error}'.strip():.80}); copy the index or build it again"
            ) from None
        if manifest is None:
            raise ImageIndexError(
                f"{file} has format version {version}; this convnets reads {FORMAT_VERSION}; install a newer one"
            )
        return cls(folder, manifest)

    def read(self) -> VectorStore:
        """Every vector with its entry, verified; raises ImageIndexError when a file is missing or damaged."""
        manifest = self.manifest
        store = VectorStore(manifest.dimension, manifest.precision)
        for segment in manifest.segments:
            vectors, entries = segment.read(self.path)
            if (
                vectors.shape[1:] != (manifest.dimension,)
                or vectors.dtype is not PRECISIONS[manifest.precision]
            ):
                raise ImageIndexError(
                    f"{self.path / segment.files[0]} holds {vectors.dtype} of shape {tuple(vectors.shape)}, the "
                    f"manifest says {manifest.precision} of {manifest.dimension}; build the index again"
                )
            store.take(vectors, entries)
        return store

    def append(self, store: VectorStore, start: int, **changes: Any) -> None:
        """Write the rows of `store` from `start` on; they and the `changes` of the manifest count together.

        The folder must hold the rows before `start` already. A small last segment is written anew with the rows.
        """
        with self.change():
            kept = list(self.manifest.segments)
            while kept and kept[-1].rows < _SMALL_SEGMENT and start < len(store):
                start -= kept.pop().rows
            if start < len(store):
                rows = torch.arange(start, len(store))
                vectors = store.rows(rows).to(PRECISIONS[self.manifest.precision])
                kept.append(
                    Segment.write(self.path, self._next_number(), vectors, store.entries.select(rows))
                )
            self.commit(replace(self.manifest, segments=tuple(kept), **changes))

    def remove(self, paths: Sequence[str], **changes: Any) -> None:
        """Write the segments that hold these paths anew without them; the `changes` of the manifest count with it."""
        gone, kept = set(paths), []
        with self.change():
            number = self._next_number()
            for segment in self.manifest.segments:
                vectors, entries = segment.read(self.path)
                staying = [row for row, path in enumerate(entries.paths) if path not in gone]
                if len(staying) == len(entries):
                    kept.append(segment)
                elif staying:
                    kept.append(Segment.write(self.path, number, vectors[staying], entries.select(staying)))
                    number += 1
            self.commit(replace(self.manifest, segments=tuple(kept), **changes))

    def _next_number(self) -> int:
        return max((segment.number for segment in self.manifest.segments), default=0) + 1

    @contextmanager
    def change(self) -> Iterator[None]:
        """Inside, no other process changes this folder.

        Raises ImageIndexError when one has done so since the manifest was read here.
        """
        with locked(self.path / _LOCK_FILE):
            found = IndexFolder.open(self.path).manifest.generation if self.exists(self.path) else 0
            if found != self.manifest.generation:
                raise ImageIndexError(
                    f"{self.path} was changed by another process meanwhile (change {found}, here "
                    f"{self.manifest.generation}); load it again and repeat"
                )
            yield

    def commit(self, manifest: Manifest) -> None:
        """Let `manifest` be the index from now on, and remove files that it does not name; call it in `change`."""
        written = replace(manifest, generation=self.manifest.generation + 1)
        write_json(self.path / MANIFEST_FILE, sealed(written.to_dict()))
        self.manifest = written
        self._remove_strays()

    def _remove_strays(self) -> None:
        named = {name for segment in self.manifest.segments for name in segment.files} | set(
            self.manifest.files
        )
        for path in self.path.iterdir():
            if path.is_file() and _is_ours(path.name) and path.name not in named and path.name not in _FIXED:
                path.unlink(missing_ok=True)


_FIXED = (MANIFEST_FILE, _LOCK_FILE)


def _is_ours(name: str) -> bool:
    """Whether a name is one that an index folder may hold."""
    own = name.startswith("segment-") and name.endswith((".safetensors", ".json"))
    rest = name.endswith(".faiss") or name.startswith("descriptor-") or name == MODEL_FOLDER
    return own or rest or name in _FIXED or (name.startswith(".") and name.endswith(".tmp"))
