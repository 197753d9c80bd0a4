"""Decoded pictures kept on disk, so that the second run on a folder begins at once.

A file in the cache folder holds the pixels of one part, as they lie in memory, and is mapped instead of read. Its name
tells the pictures' content, the size that they were brought to, and the versions of what decoded them apart.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from convnets.core.storage.cache import cache_folder
from convnets.core.storage.files import atomic_path

__all__ = ["DecodedCache"]

_FORMAT = 1  # raise it where decoding itself changes
_WORTH = 1.0  # seconds: what is decoded sooner is not kept
_MOST_BYTES = 20 << 30
_MOST_OF_FREE = 0.5  # share of the disk's free bytes
_CHUNK = 1 << 24


class DecodedCache:
    """The kept pixels below `folder`, by default `decoded` in the cache folder.

    At most 20 GB and half of the disk's free space are used; the files that were used longest ago go first.
    `CONVNETS_DECODED=0` in the environment switches it off. Nothing that is wrong with a file or the disk stops
    anybody's work: the pictures are decoded again.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_folder() / "decoded" if folder is None else folder

    @property
    def is_on(self) -> bool:
        """Whether anything is looked up or kept."""
        return os.environ.get("CONVNETS_DECODED", "1") != "0"

    def path_for(self, content_hash: str, channels: int, side: int) -> Path:
        """The file of pictures of that content, decoded to `channels` × `side` × `side`."""
        told = repr((_FORMAT, content_hash, channels, side, PIL.__version__))
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.pixels"

    def find(self, path: Path) -> Tensor | None:
        """uint8 N×C×R×R kept as `path`, checked and mapped; None where there is nothing, or it is damaged.

        Writing to the pixels changes nothing on disk.
        """
        try:
            with path.open("rb") as file:
                head = json.loads(file.readline())
                start = file.tell()
            shape = tuple(int(side) for side in head["shape"])
            mapped = np.memmap(path, np.uint8, "c", start, shape)
            if mapped.nbytes + start != path.stat().st_size or _checksum(mapped) != head["crc32"]:
                return None
            os.utime(path)  # used last now
            return torch.from_numpy(mapped)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, path: Path, decoded: Tensor, seconds: float) -> bool:
        """Keep uint8 N×C×R×R that took `seconds` to decode; returns whether that was worth it and there was room."""
        size = decoded.numel()
        if seconds < _WORTH or size > _MOST_BYTES:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(size)
            if size > _MOST_OF_FREE * shutil.disk_usage(self.folder).free:
                return False
            pixels = decoded.contiguous().numpy()
            head = {"shape": list(pixels.shape), "crc32": _checksum(pixels)}
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                file.write(json.dumps(head).encode() + b"\n")
                pixels.tofile(file)
        except OSError:
            return False
        return True

    def _make_room(self, size: int) -> None:
        files = sorted(self.folder.glob("*.pixels"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total + size <= _MOST_BYTES:
                return
            total -= path.stat().st_size
            path.unlink(missing_ok=True)


def _checksum(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    flat, value = pixels.reshape(-1), 0
    for start in range(0, flat.size, _CHUNK):
        value = zlib.crc32(flat[start : start + _CHUNK].data, value)
    return value
