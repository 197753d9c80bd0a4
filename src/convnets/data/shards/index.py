"""Where each sample of a set of tar shards begins: made by one look at the headers, then kept.

A sample, as WebDataset names it, is a run of members with one key, their path up to the first dot of the file name:
`000123.jpg`, `000123.cls`. Tar: https://www.gnu.org/software/tar/manual/html_node/Standard.html.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from convnets.core.progress import Progress
from convnets.core.storage.cache import cache_folder
from convnets.core.storage.files import atomic_path
from convnets.data.images.names import is_clutter, is_picture, printable, shortened
from convnets.data.images.opening import refuse_huge
from convnets.data.shards.paths import open_shard, shard_stamp
from convnets.errors import DataError

__all__ = ["ShardIndex", "index_shards"]

_LABEL = "cls"
_MAX_LABEL_BYTES = 4096
_MAX_HEADER_BYTES = 1 << 20  # of one long name or extended header: what is longer is no header
_TAIL_BYTES = 1 << 20  # zeros that tar programs leave at the end: a record of up to this size
_VERSION = 2


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The samples of a set of shards, in the order in which they lie there. N samples, S shards."""

    shards: tuple[str, ...]
    """Paths or URLs."""
    starts: NDArray[np.int64]
    """S + 1: the first sample of each shard, and N."""
    offsets: NDArray[np.int64]
    """N: where the picture's bytes begin in its shard."""
    sizes: NDArray[np.int64]
    """N: bytes of the picture."""
    labels: NDArray[np.int64]
    """N: index into `label_names`."""
    label_names: tuple[str, ...]
    """The different labels as they are written in the shards, in the order in which they are met."""
    keys: bytes
    """The samples' keys, one a line."""
    passed_over: int = 0
    """Hidden and system files, and files of samples that have neither picture nor label, such as a README."""

    def __len__(self) -> int:
        return len(self.offsets)

    def shard_of(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """The shard in which each sample lies."""
        return np.searchsorted(self.starts, samples, side="right").astype(np.int64) - 1


def index_shards(shards: Sequence[str], *, progress: Progress | None = None) -> ShardIndex:
    """Look at every header once, or take the index that an earlier look at the very same files left in the cache.

    `progress` is called with (what, shards done, shards in all). Raises DataError for a shard that is damaged, cut
    off, packed, or has a sample without a picture or without a label.
    """
    stamps = [shard_stamp(shard) for shard in shards]
    kept = _cache_file(shards, stamps)
    index = _load(kept, tuple(shards))
    if index is None:
        index = _look(shards, [size for size, _ in stamps], progress)
        _save(kept, index)
    return index


def _look(shards: Sequence[str], sizes: Sequence[int], progress: Progress | None) -> ShardIndex:
    found: list[tuple[int, int, int]] = []
    keys, starts, codes, passed_over = [], [0], dict[str, int](), 0
    for number, (shard, size) in enumerate(zip(shards, sizes, strict=True), 1):
        for sample in _samples(shard, size):
            if isinstance(sample, int):
                passed_over += sample
                continue
            key, offset, length, label = sample
            found.append((offset, length, codes.setdefault(label, len(codes))))
            keys.append(printable(key))
        starts.append(len(found))
        if progress is not None:
            progress("looking at shards", number, len(shards))
    columns = np.array(found, dtype=np.int64).reshape(-1, 3)
    text = "\n".join(keys).encode()
    return ShardIndex(
        tuple(shards),
        np.array(starts),
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        tuple(codes),
        text,
        passed_over,
    )


Sample = tuple[str, int, int, str]
"""Key, offset, bytes and label."""


def _samples(shard: str, size: int) -> Iterator[Sample | int]:
    """Each sample, and between them how many files were passed over."""
    key, picture, label, files = None, None, None, 0
    for name, offset, length, content in _members(shard, size):
        folder, _, file = name.removeprefix("./").rpartition("/")
        if any(is_clutter(part) for part in (*folder.split("/"), file)):
            yield 1
            continue
        stem, _, ending = file.partition(".")
        if (folder, stem) != key:
            if key is not None:
                yield _sample(shard, key, picture, label, files)
            key, picture, label, files = (folder, stem), None, None, 0
        files += 1
        if ending.lower() == _LABEL:
            label = content
        elif "." not in ending and is_picture(f"x.{ending}") and picture is None:
            refuse_huge(length, f"{printable(shard)}: {shortened(name)}")
            picture = offset, length
    if key is not None:
        yield _sample(shard, key, picture, label, files)


def _sample(
    shard: str, key: tuple[str, str], picture: tuple[int, int] | None, label: bytes | None, files: int
) -> Sample | int:
    if picture is None and label is None:
        return files
    name = "/".join(part for part in key if part)
    if picture is None or label is None:
        lacks = "picture" if picture is None else f".{_LABEL} with its label"
        raise DataError(
            f"{printable(shard)}: sample {shortened(name)!r} has no {lacks}; pack the shard again"
        )
    try:
        text = label.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise DataError(
            f"{printable(shard)}: label of {shortened(name)!r} is {label[:40]!r}; allowed: a number or a name"
        )
    return name, *picture, text


def _members(shard: str, size: int) -> Iterator[tuple[str, int, int, bytes | None]]:
    """Name, offset and bytes of each file, with the content of labels; nothing is ever unpacked to disk."""
    shown = printable(shard)
    try:
        with open_shard(shard) as file:
            with tarfile.open(fileobj=_Careful(file), mode="r:") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # or it keeps every header it saw
                    if member.isdir():
                        continue
                    if not member.isreg() or member.issparse():
                        raise DataError(
                            f"{shown}: {shortened(member.name)!r} is a link or device; allowed: files"
                        )
                    if member.offset_data + member.size > size:
                        needed = member.offset_data + member.size
                        raise DataError(
                            f"{shown}: cut off: {size:,} of at least {needed:,} bytes; copy it again"
                        )
                    content = None
                    if member.name.lower().endswith(f".{_LABEL}"):
                        file.seek(member.offset_data)
                        content = file.read(min(member.size, _MAX_LABEL_BYTES))
                    yield member.name, member.offset_data, member.size, content
                end = archive.offset
            _check_end(file, end, size, shown)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(
            f"{shown}: not a whole tar file ({reason}); packed ones (.tar.gz) must be unpacked"
        ) from None
    except OSError as error:
        raise DataError(f"{shown}: cannot be read ({error.strerror or str(error)[:100]})") from None


def _check_end(file: BinaryIO, end: int, size: int, shown: str) -> None:
    """tarfile takes a damaged header for the end of the archive: what comes there must be zeros, and not many."""
    file.seek(end)
    rest = file.read(_TAIL_BYTES + 1)
    if rest.strip(b"\0") or len(rest) > _TAIL_BYTES:
        raise DataError(f"{shown}: damaged at byte {end:,} of {size:,}: no tar header there; copy it again")


class _Careful(io.RawIOBase):
    """A file of which nobody reads megabytes at once: the length of a header is whatever the header says."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


def _cache_file(shards: Sequence[str], stamps: Sequence[tuple[int, str]]) -> Path:
    identity = json.dumps(
        [_VERSION, [(_lasting(shard), *stamp) for shard, stamp in zip(shards, stamps, strict=True)]]
    )
    name = hashlib.blake2b(identity.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache_folder() / "shards" / f"{name}.safetensors"


def _lasting(shard: str) -> str:
    return shard if "://" in shard else str(Path(shard).absolute())


def _save(path: Path, index: ShardIndex) -> None:
    arrays = {
        "starts": index.starts,
        "offsets": index.offsets,
        "sizes": index.sizes,
        "labels": index.labels,
        "keys": np.frombuffer(index.keys, dtype=np.uint8),
    }
    columns = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            safetensors.numpy.save_file(
                columns,
                temporary,
                metadata={"labels": json.dumps(index.label_names), "passed_over": str(index.passed_over)},
            )
    except OSError:
        pass  # a cache that cannot be written costs another look, no more


def _load(path: Path, shards: tuple[str, ...]) -> ShardIndex | None:
    """The index that was kept; None where there is none or it is damaged."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {
                name: file.get_tensor(name) for name in ("starts", "offsets", "sizes", "labels", "keys")
            }
            names, passed_over = json.loads(file.metadata()["labels"]), int(file.metadata()["passed_over"])
    except Exception:  # noqa: BLE001  whatever is wrong with it, looking again is right
        return None
    keys = arrays.pop("keys").tobytes()
    count = len(arrays["offsets"])
    whole = len(arrays["starts"]) == len(shards) + 1 and arrays["starts"][-1] == count == len(
        arrays["labels"]
    )
    if not whole or count != len(arrays["sizes"]):
        return None
    return ShardIndex(shards, label_names=tuple(names), keys=keys, passed_over=passed_over, **arrays)
