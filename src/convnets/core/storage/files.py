"""Files that are written whole or not at all: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "atomic_path",
    "json_text",
    "naming",
    "remove_left_overs",
    "sha256_of_file",
    "write_bytes",
    "write_json",
    "write_text",
]

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp", re.DOTALL)  # as mkstemp makes them below
_BEGUN = time.time()  # of this process, nearly


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it takes the place of `target`, on failure it is gone.

    Readers see the old file or the new one, never a half of either, even after a power cut.
    """
    target = Path(target)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(target):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)  # mkstemp makes private files; ours get the permissions any new file would
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """An OSError inside that names no file, as that of a write to a full disk, gets the name of `target`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:  # one with a message of its own says it all
            error.filename = str(target)
        raise


def remove_left_overs(folder: Path) -> None:
    """Remove what a process that was killed inside `atomic_path` left in `folder`.

    Only files that carry such a temporary name, and that nobody has written to since this process began: one that
    another process is writing stays.
    """
    for path in Path(folder).glob(".*.tmp"):
        try:
            if _TEMPORARY.fullmatch(path.name) and path.is_file() and path.lstat().st_mtime < _BEGUN:
                path.unlink()
        except OSError:  # another process was sooner, or it may not be removed; it is in nobody's way
            continue


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder to sync it; its rename is durable by journal
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write `content` to `target` as UTF-8, whole or not at all; lone surrogates as their escapes."""
    write_bytes(target, content.encode("utf-8", "backslashreplace"))


def json_text(content: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    r"""JSON with the letters of all scripts as they are; ValueError for NaN and infinity where they are not allowed.

    Names of files that are no UTF-8 hold lone surrogates (`os.fsdecode`), which no UTF-8 stream takes: they become
    escapes, of which a reader makes the same name.

    >>> print(json_text(["été", "caf\udce9"]))
    ["été", "caf\udce9"]
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(target: Path, content: Any) -> None:
    """Write `content` to `target` as indented JSON, whole or not at all; NaN and infinity are refused."""
    write_text(target, json_text(content, indent=2, allow_nan=False) + "\n")


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
