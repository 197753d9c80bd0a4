"""Where shards lie: brace ranges and globs become paths or URLs, and each can be opened and entered anywhere."""

from __future__ import annotations

import glob
import itertools
import re
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

from convnets.data.images.names import printable
from convnets.errors import ConfigError, DataError

__all__ = ["expand_shards", "is_shard_pattern", "lasting_pattern", "open_shard", "shard_stamp"]

_MAX_SHARDS = 1_000_000
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_BLOCK_BYTES, _BLOCKS = (
    4 << 20,
    32,
)  # of a remote file: 128 MiB are kept, several windows of a shuffled stream


def is_shard_pattern(text: str) -> bool:
    """Whether this means tar shards rather than a folder, a zip or a data set's name.

    >>> is_shard_pattern("train-{000..009}.tar"), is_shard_pattern("photos")
    (True, False)
    """
    return text.endswith(".tar") or "://" in text


def lasting_pattern(pattern: str) -> str:
    """The pattern as it means the same from any folder.

    >>> lasting_pattern("s3://bucket/a.tar::/data/b.tar")
    's3://bucket/a.tar::/data/b.tar'
    """
    parts = pattern.split("::") if is_shard_pattern(pattern) else [pattern]
    return "::".join(part if "://" in part else str(Path(part).expanduser().absolute()) for part in parts)


def expand_shards(pattern: str) -> list[str]:
    """The shards that a pattern means, in order: `{000..146}` and `{a,b}` count and list, `*`, `?` and `[…]` match
    local files (in sorted order), `::` joins patterns. Raises DataError where a local one is not there.

    >>> expand_shards("s3://bucket/{train,more}-{08..10}.tar")[:4]
    ['s3://bucket/train-08.tar', 's3://bucket/train-09.tar', 's3://bucket/train-10.tar', 's3://bucket/more-08.tar']
    """
    found: list[str] = []
    for part in pattern.split("::"):  # no URL has two colons in a row
        for path in _braces(part):
            if "://" in path:
                found.append(path)
                continue
            local = str(Path(path).expanduser())
            matches = sorted(glob.glob(local)) if glob.has_magic(local) else [local]  # noqa: PTH207  absolute ones too
            if not matches or not Path(matches[0]).is_file():
                raise DataError(
                    f"{printable(local)}: no such shard; give tar files, such as 'train-{{000..009}}.tar'"
                )
            found += matches
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise DataError(f"shard {printable(twice)} is named twice; name each once")
    return found


def _braces(pattern: str) -> list[str]:
    """Every text that the braces of `pattern` stand for."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    choices = [[piece] if place % 2 == 0 else _choices(piece) for place, piece in enumerate(pieces)]
    count = 1
    for options in choices:
        count *= len(options)
        if count > _MAX_SHARDS:
            raise ConfigError(f"{printable(pattern)} means more than {_MAX_SHARDS:,} shards; give fewer")
    return ["".join(parts) for parts in itertools.product(*choices)]


def _choices(inside: str) -> list[str]:
    counted = _RANGE.fullmatch(inside)
    if counted is None:
        return inside.split(",")
    first, last = int(counted[1]), int(counted[2])
    if last < first or last - first >= _MAX_SHARDS:
        raise ConfigError(f"range {{{inside}}}; allowed: from low to high, at most {_MAX_SHARDS:,}")
    return [f"{number:0{len(counted[1])}d}" for number in range(first, last + 1)]


def open_shard(path: str) -> BinaryIO:
    """A shard opened for reading at any place; a URL by fsspec. Raises DataError."""
    try:
        if "://" not in path:
            return open(path, "rb")  # noqa: PTH123  the caller closes it
        files, inside = _file_system(path)
        cache = {
            "block_size": _BLOCK_BYTES,
            "cache_type": "blockcache",
            "cache_options": {"maxblocks": _BLOCKS},
        }
        try:
            return cast(BinaryIO, files.open(inside, "rb", **cache))
        except TypeError:  # a file system without caches, such as memory://
            return cast(BinaryIO, files.open(inside, "rb"))
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error})") from None


def shard_stamp(path: str) -> tuple[int, str]:
    """A shard's bytes, and what changes when it is written anew, as far as its place says so. Raises DataError."""
    try:
        if "://" not in path:
            state = Path(path).stat()
            return state.st_size, str(state.st_mtime_ns)
        files, inside = _file_system(path)
        info = files.info(inside)
        return int(info["size"]), str(info.get("ETag") or info.get("etag") or info.get("LastModified") or "")
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error})") from None
    except (KeyError, TypeError):
        raise DataError(
            f"{printable(path)}: its place does not say how many bytes it has; copy it elsewhere"
        ) from None


def _file_system(url: str) -> tuple[Any, str]:
    try:
        core = import_module("fsspec.core")
    except ImportError:
        raise DataError(
            f"{printable(url)}: URLs are read by fsspec; install it: pip install fsspec"
        ) from None
    try:
        return cast("tuple[Any, str]", core.url_to_fs(url))
    except (ImportError, ValueError) as error:
        raise DataError(f"{printable(url)}: fsspec cannot open it ({str(error)[:120]})") from None
