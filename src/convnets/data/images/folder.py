"""Pictures in a folder, found without opening one of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from convnets.data.images.names import folders_of, is_clutter, is_picture, printable
from convnets.data.images.opening import open_picture, refuse_huge
from convnets.errors import DataError, ImageDecodeError

__all__ = ["FolderPictures"]


_Stamp = tuple[int, int, int, int]
"""Size in bytes, times of change of content and of entry in nanoseconds, inode."""


class FolderPictures:
    """The pictures below a folder, in sorted order.

    Hidden files and what systems leave behind are counted in `clutter`, other files in `ignored`. A link to
    a picture elsewhere in the folder is followed; links to folders, out of the folder, in circles or to nothing
    raise DataError.
    """

    def __init__(
        self, root: Path, paths: Sequence[str], ignored: int = 0, empty: Sequence[str] = (), clutter: int = 0
    ) -> None:
        self.root = root
        """The folder."""
        self.paths = tuple(paths)
        """Below the root, with slashes; bytes that are not UTF-8 as surrogates, as `os.fsdecode` gives them."""
        self.ignored = ignored
        """Files that are not pictures by their name."""
        self.clutter = clutter
        """Hidden files and folders, and those that systems leave behind; what is in such a folder is not counted."""
        self.empty_folders = tuple(empty)
        """Folders without a picture in or below them."""
        self._digests: dict[
            str, tuple[_Stamp, bytes]
        ] = {}  # shared with subsets, so that folds read nothing again

    @classmethod
    def scan(cls, root: Path) -> FolderPictures:
        """Find every picture below `root`."""
        resolved = Path(root).resolve()
        found, ignored, empty, clutter = [], 0, [], 0
        try:
            for folder, pictures, others, hidden in _walk(resolved):
                found += pictures
                ignored += others
                clutter += hidden
                if folder and not pictures:
                    empty.append(folder)
        except OSError as error:
            raise DataError(f"{printable(str(error.filename))}: cannot be read ({error.strerror})") from None
        found.sort(key=os.fsencode)
        filled = folders_of(found)
        empty = [folder for folder in sorted(empty) if folder not in filled]
        return cls(Path(root), found, ignored, empty, clutter)

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
        _check_size(path, name)
        return open_picture(path, name)

    def read(self, index: int) -> bytes:
        """The file of picture `index` as it is; raises ImageDecodeError."""
        path = self.root / self.paths[index]
        name = printable(str(path))
        _check_size(path, name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageDecodeError(f"{name}: cannot be read ({error.strerror})") from None

    def subset(self, indices: Sequence[int]) -> FolderPictures:
        """The pictures at `indices`, in that order."""
        part = FolderPictures(self.root, [self.paths[index] for index in indices])
        part._digests = self._digests
        return part

    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over names and content: reads every file once, and again where it was changed."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(os.fsencode(path) + b"\0" + self._digest(path))
        return digest.hexdigest()

    def _digest(self, path: str) -> bytes:
        """SHA-256 of a file, kept for as long as size, time of change and place on disk stay what they were."""
        found = (self.root / path).stat()
        stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        kept = self._digests.get(path)
        if kept is None or kept[0] != stamp:
            with (self.root / path).open("rb") as file:
                kept = self._digests[path] = (stamp, hashlib.file_digest(file, "sha256").digest())
        return kept[1]


def _check_size(path: Path, name: str) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ImageDecodeError(f"{name}: cannot be read ({error.strerror})") from None
    refuse_huge(size, name)


def _walk(root: Path) -> Iterator[tuple[str, list[str], int, int]]:
    """Each folder's path below `root`, the pictures right in it, how many other files, and how much clutter."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        pictures, others, clutter = [], 0, 0
        with os.scandir(root / below) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if is_clutter(entry.name):
                    clutter += 1
                    continue
                if entry.is_symlink():
                    _check_link(root, path)
                if entry.is_dir():
                    waiting.append(path)
                elif is_picture(entry.name) and entry.is_file():
                    pictures.append(path)
                else:
                    others += 1
        yield below, pictures, others, clutter


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
