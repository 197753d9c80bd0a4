"""Downloads: several mirrors, retries, resume, and no file under its final name before it is verified."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from convnets.core.progress import Progress
from convnets.core.storage.file_lock import locked
from convnets.data.downloads.http_transfer import TransferFailed, forget, transfer
from convnets.errors import DataError, DownloadError

if TYPE_CHECKING:
    import requests

__all__ = ["Downloadable", "download_file"]

_MIN_LIMIT = 1 << 20


class Downloadable(Protocol):
    """What can be downloaded and known again, such as a `PublishedFile`."""

    @property
    def name(self) -> str:
        """File name, as messages and progress show it."""
        ...

    @property
    def mirrors(self) -> tuple[str, ...]:
        """URLs, tried in this order."""
        ...

    @property
    def packed_bytes(self) -> int:
        """Size in bytes; more than twice as many are refused."""
        ...

    def check(self, path: Path) -> None:
        """Raise DataError naming what differs where `path` is not this file."""
        ...


def download_file(
    file: Downloadable,
    target: Path,
    *,
    progress: Progress | None = None,
    attempts: int = 5,
    backoff: float = 0.5,
) -> Path:
    """Get `file` from the first of its mirrors that delivers it whole, as `target`; return `target`.

    What passes by itself (5xx, time-outs, cut streams) is tried `attempts` times at each mirror, after `backoff`,
    2·`backoff`, 4·`backoff` … seconds, going on where the partial file (`target`.part) ended. Its checksum is
    verified before it gets its name. Of several processes one downloads and the others wait. `progress` is called
    with (file, bytes done, bytes in all). Raises DownloadError that says what each mirror answered, or that the
    folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{target.name}.lock")):
            if not target.exists():  # else another process got it while we waited
                _from_mirrors(file, target, progress, attempts, backoff)
        return target
    except OSError as error:
        where, why = error.filename or target, error.strerror or error
        raise DownloadError(
            f"{where}: cannot be written ({why}); set CONVNETS_DATA to a folder with room"
        ) from None


def _from_mirrors(
    file: Downloadable, target: Path, progress: Progress | None, attempts: int, backoff: float
) -> None:
    import requests  # here, so that reading local data costs nothing of it

    part = target.with_name(target.name + ".part")
    failures = []
    with requests.Session() as session:
        for url in file.mirrors:
            reason = _from_mirror(session, file, url, part, progress, attempts, backoff)
            if reason is None:
                _publish(part, target)
                return
            failures.append(f"{url}: {reason}")
    raise DownloadError(f"{file.name} could not be downloaded; {'; '.join(failures)}; or put it at {target}")


def _from_mirror(
    session: requests.Session,
    file: Downloadable,
    url: str,
    part: Path,
    progress: Progress | None,
    attempts: int,
    backoff: float,
) -> str | None:
    """Fill `part` with verified content from one mirror; otherwise return why that failed."""
    report = _reporter(file.name, progress)
    limit = max(_MIN_LIMIT, 2 * file.packed_bytes)
    reason = "no attempt was allowed"
    for attempt in range(attempts):
        if attempt:
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            resumed = transfer(session, url, part, limit, report)
            file.check(part)
        except TransferFailed as failure:
            reason = str(failure)
            if not failure.passing:
                return reason
        except DataError as error:
            reason = str(error).removeprefix(f"{part}: ")
            forget(part)
            if not resumed:  # resumed bytes may have been bad from the start; fresh ones will not get better
                return reason
        else:
            return None
    return f"{reason} ({attempts} attempts)"


def _reporter(name: str, progress: Progress | None) -> Callable[[int, int | None], None]:
    def report(done: int, total: int | None) -> None:
        if progress is not None:
            progress(name, done, total)

    return report


def _publish(part: Path, target: Path) -> None:
    """Give a verified file its name, on the disk before in the folder."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    forget(part)
