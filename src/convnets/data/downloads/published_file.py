"""A file of a named data set: where it is published, and how to know that it is the right one."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from convnets.data.images.content_kind import describe_content
from convnets.errors import DataError

__all__ = ["PublishedFile"]

_MAX_UNPACKED_BYTES = 1 << 30  # far above any data set with a name; a gzip bomb ends here


@dataclass(frozen=True)
class PublishedFile:
    """One file, its mirrors in the order they are tried, and its checksums.

    A gzip that was packed again has other bytes but the same content: where the SHA-256 of the unpacked content
    is known, that is what must match; otherwise the MD5 of the file as published.
    """

    name: str
    """File name as published, such as `train-images-idx3-ubyte.gz`."""
    mirrors: tuple[str, ...]
    """URLs, tried in this order."""
    packed_bytes: int
    """Size of the published file, in bytes."""
    md5: str
    """Hexadecimal MD5 of the published file."""
    sha256: str | None = None
    """Hexadecimal SHA-256 of the unpacked content, where known."""

    @property
    def unpacked_name(self) -> str:
        """Name without `.gz`; archives (`.tar.gz`) stay as they are."""
        return self.name if self.name.endswith(".tar.gz") else self.name.removesuffix(".gz")

    def local_path(self, folder: Path) -> Path | None:
        """The file in `folder`, packed or unpacked; None when neither is there."""
        candidates = [folder / self.name]
        if self.sha256 is not None:  # without it an unpacked file could not be verified
            candidates.append(folder / self.unpacked_name)
        return next((path for path in candidates if path.is_file()), None)

    def read(self, path: Path) -> bytes:
        """The unpacked content of `path`, verified; raises DataError naming what differs."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        if self.sha256 is None:
            found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
            _compare("MD5", found, self.md5, path, raw)
        content = self._unpack(raw, path)
        if self.sha256 is not None:
            _compare(
                "SHA-256 of the unpacked content", hashlib.sha256(content).hexdigest(), self.sha256, path, raw
            )
        return content

    def check(self, path: Path) -> None:
        """Raise DataError naming what differs where `path` is not this file."""
        self.read(path)

    def _unpack(self, raw: bytes, path: Path) -> bytes:
        if self.unpacked_name == self.name or not raw.startswith(b"\x1f\x8b"):
            return raw  # an archive, or unpacked already; the checksum says whether it is the right content
        try:
            with gzip.open(io.BytesIO(raw)) as file:
                content = file.read(_MAX_UNPACKED_BYTES + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path}: not a whole gzip file ({describe_content(raw)}; {error})") from None
        if len(content) > _MAX_UNPACKED_BYTES:
            raise DataError(
                f"{path}: unpacks to more than {_MAX_UNPACKED_BYTES:,} bytes; that is not {self.name}"
            )
        return content


def _compare(kind: str, found: str, expected: str, path: Path, raw: bytes) -> None:
    if found != expected:
        raise DataError(f"{path}: {kind} is {found}; expected {expected} ({describe_content(raw)})")
