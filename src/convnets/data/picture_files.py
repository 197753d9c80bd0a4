"""Pictures that are still files: in a folder or in a zip, found without opening one of them."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from convnets.data.picture_names import is_clutter, is_picture, printable
from convnets.data.pictures import open_picture
from convnets.errors import DataError, ImageDecodeError

__all__ = ["MAX_PICTURE_BYTES", "FolderPictures", "ZipPictures"]

MAX_PICTURE_BYTES = 1 << 28
"""Largest picture file that is read, in bytes (256 MiB): more is a bomb or not a picture."""


class FolderPictures:
    """The pictures below a folder, in sorted order.

    Hidden files and what desktops leave behind are passed over; other files are counted in `ignored`. A link to
    a picture elsewhere in the folder is followed; links to folders, out of the folder, in circles or to nothing
    raise DataError.
    """

    def __init__(self, root: Path, paths: Sequence[str], ignored: int = 0, empty: Sequence[str] = ()) -> None:
        self.root = root
        """The folder."""
        self.paths = tuple(paths)
        """Below the root, with slashes; bytes that are not UTF-8 as surrogates, as `os.fsdecode` gives them."""
        self.ignored = ignored
        """Files that are not pictures by their name."""
        self.empty_folders = tuple(empty)
        """Folders without a picture in or below them."""

    @classmethod
    def scan(cls, root: Path) -> FolderPictures:
        """Find every picture below `root`."""
        resolved = Path(root).resolve()
        found, ignored, empty = [], 0, []
        try:
            for folder, pictures, others in _walk(resolved):
                found += pictures
                ignored += others
                if folder and not pictures:
                    empty.append(folder)
        except OSError as error:
            raise DataError(f"{printable(str(error.filename))}: cannot be read ({error.strerror})") from None
        found.sort(key=os.fsencode)
        filled = _folders_of(found)
        return cls(Path(root), found, ignored, [folder for folder in sorted(empty) if folder not in filled])

    @property
    def names(self) -> Sequence[str]:
        """Each picture's path below the root, fit to be shown."""
        return [printable(path) for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image.Image:
        """Picture `index`, upright, in mode L or RGB; raises ImageDecodeError."""
        path = self.root / self.paths[index]
        name = printable(str(path))
        try:
            size = path.stat().st_size
        except OSError as error:
            raise ImageDecodeError(f"{name}: cannot be read ({error.strerror})") from None
        _refuse_huge(size, name)
        return open_picture(path, name)

    def subset(self, indices: Sequence[int]) -> FolderPictures:
        """The pictures at `indices`, in that order."""
        return FolderPictures(self.root, [self.paths[index] for index in indices])

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names and content: reads every file."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(os.fsencode(path) + b"\0")
            with (self.root / path).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def _walk(root: Path) -> Iterator[tuple[str, list[str], int]]:
    """Each folder's path below `root`, the pictures right in it, and how many other files."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        pictures, others = [], 0
        with os.scandir(root / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if is_clutter(entry.name):
                    continue
                if entry.is_symlink():
                    _check_link(root, path)
                if entry.is_dir():
                    waiting.append(path)
                elif is_picture(entry.name) and entry.is_file():
                    pictures.append(path)
                else:
                    others += 1
        yield below, pictures, others


def _check_link(root: Path, path: str) -> None:
    link, remedy = (
        f"link {printable(path)!r} in {printable(str(root))}",
        "replace it by the file itself or remove it",
    )
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        kind = "leads nowhere" if isinstance(error, FileNotFoundError) else "leads in a circle"
        raise DataError(f"{link} {kind}; {remedy}") from None
    if not target.is_relative_to(root):
        raise DataError(f"{link} leads out of the folder, to {printable(str(target))}; {remedy}")
    if target.is_dir():
        raise DataError(
            f"{link} leads to a folder, which would be counted twice or run in a circle; {remedy}"
        )


class ZipPictures:
    """The pictures in a zip, in sorted order; read from the archive, never unpacked to disk.

    Members with absolute names, `..`, or that are links or devices, and pictures above MAX_PICTURE_BYTES raise
    DataError. Safe to use from several threads, and picklable: each process opens the archive for itself.
    """

    def __init__(
        self, path: Path, members: Sequence[zipfile.ZipInfo], ignored: int = 0, empty: Sequence[str] = ()
    ) -> None:
        self.path = path
        """The archive."""
        self.members = tuple(members)
        """The pictures' entries in the archive's directory."""
        self.ignored = ignored
        """Files that are not pictures by their name."""
        self.empty_folders = tuple(empty)
        """Folders named in the archive without a picture in or below them."""
        self._archive = _Archive(path)

    @classmethod
    def scan(cls, path: Path) -> ZipPictures:
        """Find every picture in the archive at `path`; raises DataError when it is no whole zip."""
        shown = printable(str(path))
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{shown}: not a whole zip archive ({error}); get it again") from None
        kept, ignored, folders = [], 0, set()
        for info in infos:
            name = member_name(info)
            _check_member(info, name, shown)
            if any(is_clutter(part) for part in name.split("/")):
                continue
            if info.is_dir():
                folders.add(name.rstrip("/"))
            elif is_picture(name):
                _refuse_huge(info.file_size, f"{shown}: {printable(name)}")
                kept.append(info)
            else:
                ignored += 1
        kept.sort(key=member_name)
        filled = _folders_of(member_name(info) for info in kept)
        return cls(Path(path), kept, ignored, sorted(folders - filled))

    @property
    def paths(self) -> Sequence[str]:
        """Each picture's path in the archive, with slashes."""
        return [member_name(info) for info in self.members]

    @property
    def names(self) -> Sequence[str]:
        """Each picture's path in the archive, fit to be shown."""
        return [printable(path) for path in self.paths]

    def __len__(self) -> int:
        return len(self.members)

    def open(self, index: int) -> Image.Image:
        """Picture `index`, upright, in mode L or RGB; raises ImageDecodeError."""
        info = self.members[index]
        name = f"{printable(str(self.path))}: {printable(member_name(info))}"
        try:
            content = self._archive.read(info)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            raise ImageDecodeError(f"{name}: cannot be read from the archive ({error})") from None
        return open_picture(content, name)

    def subset(self, indices: Sequence[int]) -> ZipPictures:
        """The pictures at `indices`, in that order."""
        return ZipPictures(self.path, [self.members[index] for index in indices])

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names, sizes and the archive's own checksums (CRC-32)."""
        digest = hashlib.sha256()
        for info in self.members:
            name = member_name(info).encode("utf-8", "surrogateescape")
            digest.update(name + b"\0%d %d\0" % (info.file_size, info.CRC))
        return digest.hexdigest()


class _Archive:
    """One open zip for each process: a handle carried over a fork would share its position with the parent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._process = -1
        self._zip: zipfile.ZipFile | None = None

    def read(self, info: zipfile.ZipInfo) -> bytes:
        with self._lock:
            archive = self._opened()
            member = archive.open(info)
        with member:  # reads on its own position of the shared file, under zipfile's lock
            return member.read()

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None or self._process != os.getpid():
            # a file object of our own, so that zipfile does not close it by its count of users, which threads race on
            file = self._path.open("rb")
            weakref.finalize(self, file.close)
            self._zip, self._process = zipfile.ZipFile(file), os.getpid()
        return self._zip

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_path"])  # type: ignore[misc]


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's path; tools that write UTF-8 without saying so (macOS) are understood."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_member(info: zipfile.ZipInfo, name: str, archive: str) -> None:
    parts = name.replace("\\", "/").rstrip("/").split("/")
    drive = len(parts[0]) == 2 and parts[0][1] == ":"
    if ".." in parts or parts[0] == "" or drive or "\0" in info.orig_filename:
        raise DataError(
            f"{archive}: member {printable(name)!r} leads out of the archive; allowed: relative paths without '..'"
        )
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(
            f"{archive}: member {printable(name)!r} is a link or device; allowed: files; pack it again"
        )


def _folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder that holds one of the `paths`, at any depth."""
    folders = {path.rpartition("/")[0] for path in paths}
    return folders | {str(parent) for folder in folders for parent in PurePosixPath(folder).parents}


def _refuse_huge(size: int, name: str) -> None:
    if size > MAX_PICTURE_BYTES:
        raise ImageDecodeError(f"{name}: {size:,} bytes; allowed for a picture file: {MAX_PICTURE_BYTES:,}")
