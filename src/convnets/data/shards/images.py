"""Pictures in tar shards: each is read from its place in its shard, and nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convnets.data.images.names import printable, shortened
from convnets.data.images.opening import open_picture, refuse_huge
from convnets.data.shards.index import ShardIndex
from convnets.data.shards.paths import open_shard
from convnets.errors import ImageDecodeError

__all__ = ["ShardPictures"]

_OPEN_SHARDS = 16  # files that one process keeps open


class ShardPictures:
    """The pictures of a set of shards, or some of them; picklable, and safe to use from several threads."""

    def __init__(self, index: ShardIndex, places: NDArray[np.int64] | None = None) -> None:
        self.index = index
        """Where each sample of the shards lies."""
        self.places = np.arange(len(index)) if places is None else places
        """int64 N: which of the samples these are."""
        self._files = _OpenShards()

    @cached_property
    def _keys(self) -> list[str]:
        return self.index.keys.decode().split("\n") if self.index.keys else []

    @property
    def names(self) -> Sequence[str]:
        """Each picture's shard and key, fit to be shown."""
        return [self._name(position) for position in range(len(self))]

    def __len__(self) -> int:
        return len(self.places)

    def open(self, index: int) -> Image.Image:
        """Picture `index`, upright, in mode L or RGB; raises ImageDecodeError."""
        return open_picture(self.read(index), self._name(index))

    def read(self, index: int) -> bytes:
        """The file of picture `index` as it is; raises ImageDecodeError."""
        shard, offset = self.position(index)
        size = int(self.index.sizes[self.places[index]])
        name = self._name(index)
        refuse_huge(size, name)
        try:
            content = self._files.read(shard, offset, size)
        except Exception as error:  # noqa: BLE001  a remote store's errors are of any kind
            reason = " ".join(str(error).split())[:120]
            raise ImageDecodeError(f"{name}: cannot be read from its shard ({reason})") from None
        if len(content) < size:
            raise ImageDecodeError(
                f"{name}: cut off: {len(content):,} of {size:,} bytes are in its shard; copy the shard again"
            )
        return content

    def position(self, index: int) -> tuple[str, int]:
        """Shard and byte at which picture `index` begins."""
        place = self.places[index]
        shard = int(self.index.shard_of(np.array([place]))[0])
        return self.index.shards[shard], int(self.index.offsets[place])

    def subset(self, indices: Sequence[int]) -> ShardPictures:
        """The pictures at `indices`, in that order."""
        return ShardPictures(self.index, self.places[np.asarray(indices, dtype=np.int64)])

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over the samples' names, places and sizes; the pictures themselves are not read."""
        digest = hashlib.sha256()
        for array in (self.places, self.index.starts, self.index.offsets, self.index.sizes):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(self.index.keys)
        return digest.hexdigest()

    def _name(self, index: int) -> str:
        return f"{printable(self.position(index)[0])}: {shortened(self._keys[self.places[index]])}"

    def __getstate__(self) -> dict[str, Any]:
        return {"index": self.index, "places": self.places}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class _OpenShards:
    """The shards that were read last, open; each process has its own, as positions would be shared over a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = -1
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()

    def read(self, shard: str, offset: int, size: int) -> bytes:
        with self._lock:
            file = self._opened(shard)
            file.seek(offset)
            return file.read(size)

    def _opened(self, shard: str) -> BinaryIO:
        if self._process != os.getpid():
            self._files, self._process = OrderedDict(), os.getpid()
        if shard not in self._files:
            self._files[shard] = open_shard(shard)
            if len(self._files) > _OPEN_SHARDS:
                self._files.popitem(last=False)[1].close()
        self._files.move_to_end(shard)
        return self._files[shard]

    def __del__(self) -> None:
        for file in self._files.values():
            file.close()
