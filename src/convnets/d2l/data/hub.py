"""The book's downloads: files by their names in `DATA_HUB`, or by their URLs; verified before they get their names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from convnets.d2l.data.archives import extract, folder_of
from convnets.data.data_root import data_root
from convnets.data.downloads.download import download_file
from convnets.data.images.content_kind import describe_content
from convnets.errors import DataError, DownloadError, InputError, UnknownNameError

__all__ = ["DATA_HUB", "DATA_URL", "download", "download_all", "download_extract"]

DATA_URL = "http://d2l-data.s3-accelerate.amazonaws.com/"
"""Where the book's files are."""

DATA_HUB: dict[str, Sequence[str]] = {
    "kaggle_house_train": (
        DATA_URL + "kaggle_house_pred_train.csv",
        "585e9cc93e70b39160e7921475f9bcd7d31219ce",
    ),
    "kaggle_house_test": (
        DATA_URL + "kaggle_house_pred_test.csv",
        "fa19780a7b011d9b009e8bff8e99922a8ee2eb90",
    ),
    "airfoil": (DATA_URL + "airfoil_self_noise.dat", "76e5be1548fd8222e5074cf0faae75edff8cf93f"),
    "hotdog": (DATA_URL + "hotdog.zip", "fba480ffa8aa7e0febbb511d181409f899b9baa5"),
    "cifar10_tiny": (DATA_URL + "kaggle_cifar10_tiny.zip", "2068874e4b9a9f0fb07ebe0ad2b29754449ccacd"),
    "dog_tiny": (DATA_URL + "kaggle_dog_tiny.zip", "0cb91d09b814ecdc07b50f31f8dcad3e81d6a86d"),
}
"""URL and SHA-1 of each file by its name; readers add their own."""

_MOST_BYTES = 1 << 33  # twice of it is refused: far above any of the book's files
_PIECE_BYTES = 1 << 20


def download(
    url: str,
    folder: str | Path | None = None,
    sha1_hash: str | None = None,
    *,
    cache_dir: str | Path | None = None,
) -> str:
    """Get a file of `DATA_HUB` by its name, or one by its http(s) URL; returns its path.

    It goes to `folder` (`cache_dir` in the first edition), by default `d2l` in the folder of data sets that
    `$CONVNETS_DATA` names. What is there with the right SHA-1 is not asked for again; other content gives way to the
    new one once that is verified. Without a SHA-1 the file is got anew each time.

    Raises UnknownNameError for a name that is not in `DATA_HUB`, InputError for a URL that names no file, and
    DownloadError that says why, such as without a connection, or for another SHA-1.
    """
    if not url.startswith(("http://", "https://")):
        if url not in DATA_HUB:
            remedy = "or begin with http:// or https://, or set d2l.DATA_HUB[NAME] = (URL, SHA1)"
            raise UnknownNameError("file of DATA_HUB", url, DATA_HUB, remedy)
        url, sha1_hash = DATA_HUB[url]
    file = _HubFile(_file_name(url), (url,), sha1_hash.lower() if sha1_hash else None)
    chosen = folder if folder is not None else cache_dir
    target = (data_root() / "d2l" if chosen is None else Path(chosen)) / file.name
    if not (target.is_file() and file.is_there(target)):
        print(f"Downloading {target} from {url}...")  # noqa: T201  as the book does
        _fetch(file, target)
    return str(target)


def download_extract(name: str, folder: str | None = None) -> str:
    """Get an archive of `DATA_HUB` (or of a URL) and unpack it beside itself.

    Returns the path of `folder` in it, or, without one, the archive's path without its ending. Errors are those of
    `download` and `extract`.
    """
    archive = Path(download(name))
    extract(archive)
    return str(archive.parent / folder if folder else folder_of(archive))


def download_all() -> None:
    """Get every file of `DATA_HUB`."""
    for name in DATA_HUB:
        download(name)


def _fetch(file: _HubFile, target: Path) -> None:
    """Put `file` in the place of `target` once it is there and verified."""
    fresh = target.with_name(f"{target.name}.new")
    if fresh.is_file() and not file.is_there(fresh):
        fresh.unlink(missing_ok=True)  # left by a call that was cut off, perhaps for another file
    try:
        download_file(file, fresh)
    except DownloadError as error:
        place = f"{target}" if file.sha1 else f"{target}, and name its sha1_hash"
        raise DownloadError(str(error).replace(str(fresh), place)) from None
    with suppress(FileNotFoundError):  # of two processes that wanted it the other was sooner
        fresh.replace(target)


@dataclass(frozen=True)
class _HubFile:
    """A file of one address, known by its SHA-1 where there is one."""

    name: str
    mirrors: tuple[str, ...]
    sha1: str | None
    packed_bytes: int = _MOST_BYTES

    def is_there(self, path: Path) -> bool:
        """Whether `path` is known to be this file."""
        return self.sha1 is not None and _sha1(path) == self.sha1

    def check(self, path: Path) -> None:
        """Raise DataError where the SHA-1 is another; the length was compared with what the server said."""
        if self.sha1 is not None and (found := _sha1(path)) != self.sha1:
            with path.open("rb") as file:
                content = describe_content(file.read(_PIECE_BYTES))
            raise DataError(f"{path}: SHA-1 is {found}; expected {self.sha1} ({content})")


def _sha1(path: Path) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _file_name(url: str) -> str:
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    if name in ("", "..") or not name.isprintable() or "\\" in name:
        raise InputError(
            f"the URL {url!r} names no file; allowed: one that ends in a file name, such as …/data.zip"
        )
    return name
