"""Segments: the files in which an index folder keeps vectors and entries; written once, never changed.

`segment-000001.safetensors` holds the vectors n×D, `segment-000001.json` their entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from convnets.core.storage.files import atomic_path, sha256_of_file, write_bytes
from convnets.errors import ImageIndexError
from convnets.retrieval.entries import Entries

__all__ = ["Segment", "read_verified", "stated_file", "verify_file"]

_TENSOR = "vectors"


@dataclass(frozen=True)
class Segment:
    """What the manifest says of one pair of files."""

    number: int
    rows: int
    vectors: Mapping[str, Any]
    """Size in bytes and SHA-256."""
    entries: Mapping[str, Any]
    """Size in bytes and SHA-256."""

    @property
    def files(self) -> tuple[str, str]:
        """Names of the vectors' and the entries' file."""
        stem = f"segment-{self.number:06d}"
        return f"{stem}.safetensors", f"{stem}.json"

    @classmethod
    def write(cls, folder: Path, number: int, vectors: Tensor, entries: Entries) -> Segment:
        """Write both files; nothing refers to them until the manifest does."""
        blank = cls(number, len(entries), {}, {})
        vectors_path, entries_path = (folder / name for name in blank.files)
        with atomic_path(vectors_path) as temporary:
            safetensors.torch.save_file({_TENSOR: vectors.contiguous()}, str(temporary))
        write_bytes(entries_path, entries.to_json())
        return cls(number, len(entries), stated_file(vectors_path), stated_file(entries_path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Segment:
        """From the manifest."""
        return cls(
            int(values["number"]), int(values["rows"]), dict(values["vectors"]), dict(values["entries"])
        )

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "number": self.number,
            "rows": self.rows,
            "vectors": dict(self.vectors),
            "entries": dict(self.entries),
        }

    def read(self, folder: Path) -> tuple[Tensor, Entries]:
        """Vectors n×D, mapped from the file, and their entries; raises ImageIndexError when a file is damaged."""
        vectors_path, entries_path = (folder / name for name in self.files)
        verify_file(vectors_path, self.vectors)
        content = read_verified(entries_path, self.entries)
        try:
            vectors = safetensors.torch.load_file(vectors_path)[_TENSOR]
            entries = Entries.from_json(content)
        except Exception as error:  # noqa: BLE001  the parser's exceptions are not one family; none may pass as ours
            raise ImageIndexError(
                f"{vectors_path} cannot be read ({str(error)[:80]}); build the index again"
            ) from None
        if len(vectors) != self.rows or len(entries) != self.rows:
            found = f"{len(vectors)} vectors and {len(entries)} entries"
            raise ImageIndexError(
                f"{vectors_path} holds {found}, the manifest says {self.rows}; build the index again"
            )
        return vectors, entries


def stated_file(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256, as the manifest states them."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}


def verify_file(path: Path, stated: Mapping[str, Any]) -> None:
    """Raise ImageIndexError unless the file is as the manifest states."""
    if not path.is_file():
        raise ImageIndexError(f"{path} is missing; copy the whole index, or build it again")
    size = path.stat().st_size
    if size != stated.get("bytes"):
        raise ImageIndexError(
            f"{path} is damaged: {size} of {stated.get('bytes')} bytes; copy the index or build it again"
        )
    if sha256_of_file(path) != stated.get("sha256"):
        raise ImageIndexError(
            f"{path} is damaged: its SHA-256 is not the one in the manifest; copy the index or build it again"
        )


def read_verified(path: Path, stated: Mapping[str, Any]) -> bytes:
    """The file's content; raises ImageIndexError unless it is as the manifest states."""
    verify_file(path, stated)
    return path.read_bytes()
