"""Unpacking: a zip or tar into a folder, and nothing of it anywhere else."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from convnets.data.images.archive_paths import check_path
from convnets.data.images.names import printable, shortened
from convnets.errors import DataError

__all__ = ["extract", "folder_of"]

_TARS = (".tar", ".tar.gz", ".tgz", ".gz", ".tar.bz2", ".tar.xz")
_MOST_BYTES = 1 << 35  # unpacked, in all: far above any of the book's archives
_REFUSED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, NotImplementedError, RuntimeError),  # RuntimeError: a zip with a password
)


class _Member(NamedTuple):
    name: str
    size: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes]]


def extract(filename: str | Path, folder: str | Path | None = None) -> None:
    """Unpack a zip or tar (`.tar`, `.tar.gz`, `.tgz`) into `folder`, by default the one that it lies in.

    All members are looked at before the first is written. Raises DataError where one leads out of the folder or is a
    link or device, where they need more room than there is, and for a file that is no whole archive.

    >>> extract("pictures.rar")
    Traceback (most recent call last):
        ...
    convnets.errors.DataError: pictures.rar is no archive by its name; allowed: .zip, .tar, .tar.gz, .tgz
    """
    path = Path(filename)
    target = path.parent if folder is None else Path(folder)
    opened = _opener(path)
    with _told(path), opened(path) as members:
        _check_all(members, path, target)
    with _told(path), opened(path) as members:
        for member in members:
            _write(member, target / member.name)


def folder_of(archive: Path) -> Path:
    """The archive's path without its ending.

    >>> folder_of(Path("data/set.tar.gz")).as_posix()
    'data/set'
    """
    name = archive.name
    for ending in sorted((*_TARS, ".zip"), key=len, reverse=True):
        name = name.removesuffix(ending) if name == archive.name else name
    return archive.with_name(name)


def _opener(path: Path) -> Callable[[Path], AbstractContextManager[Iterator[_Member]]]:
    if path.name.lower().endswith(".zip"):
        return _zip_members
    if path.name.lower().endswith(_TARS):
        return _tar_members
    raise DataError(f"{printable(str(path))} is no archive by its name; allowed: .zip, .tar, .tar.gz, .tgz")


@contextmanager
def _zip_members(path: Path) -> Iterator[Iterator[_Member]]:
    with zipfile.ZipFile(path) as archive:
        yield (_zip_member(archive, info) for info in archive.infolist())


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = info.filename.replace("\\", "/")  # as some tools on Windows write them
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_folder = name.endswith("/")
    is_file = kind in (0, stat.S_IFREG) and not is_folder
    return _Member(name, info.file_size, is_folder, is_file, lambda: archive.open(info))


@contextmanager
def _tar_members(path: Path) -> Iterator[Iterator[_Member]]:
    with tarfile.open(path) as archive:
        yield (_tar_member(archive, info) for info in archive)


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    def opened() -> IO[bytes]:
        file = archive.extractfile(info)
        assert file is not None
        return file

    return _Member(info.name, info.size, info.isdir(), info.isreg() and not info.issparse(), opened)


def _check_all(members: Iterator[_Member], path: Path, target: Path) -> None:
    shown, size = printable(str(path)), 0
    existing = next(each for each in (target, *target.absolute().parents) if each.exists())
    most = min(_MOST_BYTES, shutil.disk_usage(existing).free)
    for member in members:
        check_path(member.name, shown)
        if not (member.is_file or member.is_folder):
            raise DataError(f"{shown}: member {shortened(member.name)!r} is a link or device; allowed: files")
        size += member.size
        if size > most:
            raise DataError(
                f"{shown}: unpacks to more than {most:,} bytes; allowed: what there is room for, and at most "
                f"{_MOST_BYTES:,}; make room, or name another folder"
            )


def _write(member: _Member, path: Path) -> None:
    (path if member.is_folder else path.parent).mkdir(parents=True, exist_ok=True)
    if member.is_file:
        with member.open() as content, path.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What Python's readers of archives raise, as one line that names the archive."""
    shown = printable(str(path))
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        where = "" if error.filename in (None, str(path)) else f" {printable(str(error.filename))}:"
        reason = error.strerror or " ".join(str(error).split())[:100]
        raise DataError(
            f"{shown}:{where} cannot be unpacked ({reason}); get it again, or make room"
        ) from None
    except _REFUSED as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{shown}: not a whole archive ({reason}); get it again") from None
