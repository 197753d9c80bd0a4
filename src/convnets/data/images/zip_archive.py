"""Pictures in a zip, read from the archive and never unpacked to disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import weakref
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from convnets.data.images.archive_paths import check_path
from convnets.data.images.names import folders_of, is_clutter, is_picture, printable, shortened
from convnets.data.images.opening import open_picture, refuse_huge
from convnets.errors import DataError, ImageDecodeError

__all__ = ["ZipPictures"]


class ZipPictures:
    """The pictures in a zip, in sorted order; read from the archive, never unpacked to disk.

    Members with absolute names, `..`, or that are links or devices, and pictures above MAX_PICTURE_BYTES raise
    DataError. Safe to use from several threads, and picklable: each process opens the archive for itself.
    """

    def __init__(
        self,
        path: Path,
        members: Sequence[zipfile.ZipInfo],
        ignored: int = 0,
        empty: Sequence[str] = (),
        clutter: int = 0,
    ) -> None:
        self.path = path
        """The archive."""
        self.members = tuple(members)
        """The pictures' entries in the archive's directory."""
        self.ignored = ignored
        """Files that are not pictures by their name."""
        self.clutter = clutter
        """Hidden files, those that systems leave behind, and files of which the archive has a later version."""
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
        kept, ignored, folders, clutter = dict[str, zipfile.ZipInfo](), 0, set(), 0
        for info in infos:
            name = _member_name(info)
            _check_member(info, name, shown)
            if any(is_clutter(part) for part in name.rstrip("/").split("/")):
                clutter += 1
                continue
            if name.endswith("/"):
                folders.add(name.rstrip("/"))
            elif is_picture(name):
                refuse_huge(info.file_size, f"{shown}: {shortened(name)}")
                clutter += name in kept  # as unpacking would: the later one takes its place
                kept[name] = info
            else:
                ignored += 1
        members = [kept[name] for name in sorted(kept)]
        return cls(Path(path), members, ignored, sorted(folders - folders_of(kept)), clutter)

    @property
    def paths(self) -> Sequence[str]:
        """Each picture's path in the archive, with slashes."""
        return [_member_name(info) for info in self.members]

    @property
    def names(self) -> Sequence[str]:
        """Each picture's path in the archive, fit to be shown."""
        return [printable(path) for path in self.paths]

    def __len__(self) -> int:
        return len(self.members)

    def open(self, index: int) -> Image.Image:
        """Picture `index`, upright, in mode L or RGB; raises ImageDecodeError."""
        return open_picture(self.read(index), self._shown(index))

    def read(self, index: int) -> bytes:
        """The file of picture `index` as it is; raises ImageDecodeError."""
        try:
            return self._archive.read(self.members[index])
        except Exception as error:  # noqa: BLE001  every packing method has errors of its own
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise ImageDecodeError(
                f"{self._shown(index)}: cannot be read from the archive ({reason})"
            ) from None

    def _shown(self, index: int) -> str:
        return f"{printable(str(self.path))}: {shortened(_member_name(self.members[index]))}"

    def subset(self, indices: Sequence[int]) -> ZipPictures:
        """The pictures at `indices`, in that order."""
        return ZipPictures(self.path, [self.members[index] for index in indices])

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names, sizes and the archive's own checksums (CRC-32)."""
        digest = hashlib.sha256()
        for info in self.members:
            name = _member_name(info).encode("utf-8", "surrogateescape")
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


def _member_name(info: zipfile.ZipInfo) -> str:
    """A member's path, with slashes; tools that write UTF-8 without saying so (macOS) are understood.

    Some tools of Windows write backslashes, which the format does not allow (APPNOTE.TXT, 4.4.17.1).
    """
    name = info.filename
    if not (info.flag_bits & 0x800 or name.isascii()):
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _check_member(info: zipfile.ZipInfo, name: str, archive: str) -> None:
    check_path(name if "\0" not in info.orig_filename else info.orig_filename, archive)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(
            f"{archive}: member {shortened(name)!r} is a link or device; allowed: files; pack it again"
        )
