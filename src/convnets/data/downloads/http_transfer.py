"""One attempt to get the rest of a file over HTTP: where it starts, what may redirect it, when it is whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from convnets.core.storage.files import write_json

__all__ = ["TransferFailed", "forget", "next_url", "transfer"]

_CHUNK_BYTES = 1 << 18
_MAX_REDIRECTS = 5
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_TIMEOUT_SECONDS = (10.0, 30.0)  # to connect, and between two arriving pieces


class TransferFailed(Exception):  # noqa: N818  it never leaves this package: DownloadError lists it
    """Why one attempt failed, in a few words, and whether the next one may go better."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing
        """True for what passes by itself: a busy server, a cut line."""


def transfer(
    session: requests.Session, url: str, part: Path, limit: int, report: Callable[[int, int | None], None]
) -> bool:
    """Append what is missing of `url` to `part`; return whether it went on from an earlier attempt.

    The file beside it, `part`.json, says which URL and version (ETag) the bytes are of: others are thrown away.
    A server that ignores the range is obeyed and the file begun again. More than `limit` bytes are refused.
    Raises TransferFailed, or OSError when `part` cannot be written.
    """
    try:
        start, validator = _begun(part, url)
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        with _get(session, url, headers) as response:
            start = _agreed_start(response, start, part)
            _remember(part, url, response)
            total = _append(response, part, start, limit, report)
        size = part.stat().st_size
        if total is not None and size != total:
            raise TransferFailed(f"the stream ended after {size:,} of {total:,} bytes", passing=True)
        return start > 0
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise TransferFailed("timed out", passing=True) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TransferFailed(
            _in_words(error), passing=not isinstance(error, requests.exceptions.InvalidURL)
        ) from None


def next_url(url: str, location: str) -> str:
    """Where a redirect leads; raises TransferFailed when that is not as safe as where it came from.

    >>> next_url("https://a.org/x/y", "/z")
    'https://a.org/z'
    """
    target = urljoin(url, location)
    before, after = urlsplit(url).scheme, urlsplit(target).scheme
    if after not in ("http", "https") or (before == "https" and after == "http"):
        raise TransferFailed(f"refused a redirect from {before} to {after}", passing=False)
    return target


def _begun(part: Path, url: str) -> tuple[int, str]:
    """How many bytes of `url` are there, and of which version; what is of another URL is thrown away."""
    notes = _notes_path(part)
    try:
        noted = json.loads(notes.read_text(encoding="utf-8"))
        if noted["url"] == url:
            return part.stat().st_size, str(noted["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    part.unlink(missing_ok=True)
    return 0, ""


def _get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    for _ in range(_MAX_REDIRECTS + 1):
        response = session.get(
            url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS, allow_redirects=False
        )
        if not response.is_redirect:
            return response
        response.close()
        url = next_url(url, response.headers["location"])
    raise TransferFailed(f"more than {_MAX_REDIRECTS} redirects", passing=False)


def _agreed_start(response: requests.Response, start: int, part: Path) -> int:
    """The byte at which the answer begins: ours, or 0 when the server sends the whole file."""
    status = response.status_code
    if status == 416 and start:  # what is there is not a beginning of what the server has
        part.unlink(missing_ok=True)
        raise TransferFailed("the server has no more bytes than are here", passing=True)
    if status == 206 and start:
        found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            part.unlink(missing_ok=True)
            raise TransferFailed("the server answered with another range", passing=True)
        return start
    if status != 200:
        raise TransferFailed(f"HTTP {status} {response.reason}".strip(), passing=status in _PASSING)
    return 0


def _remember(part: Path, url: str, response: requests.Response) -> None:
    validator = response.headers.get("ETag", "")
    if validator.startswith("W/"):  # a weak one promises the same meaning, not the same bytes
        validator = ""
    write_json(
        _notes_path(part), {"url": url, "validator": validator or response.headers.get("Last-Modified", "")}
    )


def _append(
    response: requests.Response, part: Path, start: int, limit: int, report: Callable[[int, int | None], None]
) -> int | None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    if total is not None and total > limit:
        raise TransferFailed(f"{total:,} bytes; at most {limit:,} are expected", passing=False)
    done = start
    with part.open("ab" if start else "wb") as file:
        report(done, total)
        # the raw bytes: a server that labels a .gz as an encoding must not have it unpacked on the way
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            file.write(chunk)
            done += len(chunk)
            if done > limit:
                raise TransferFailed(f"more than the {limit:,} bytes that are expected", passing=False)
            report(done, total)
    return total


def _notes_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def forget(part: Path) -> None:
    """Remove a partial file and the notes about it."""
    part.unlink(missing_ok=True)
    _notes_path(part).unlink(missing_ok=True)


def _in_words(error: Exception) -> str:
    text = str(error)
    for sign, words in (
        ("NameResolution", "the host name is not known"),
        ("getaddrinfo", "the host name is not known"),
        ("Connection refused", "connection refused"),
        ("CERTIFICATE", "the certificate is not valid"),
        ("Connection broken", "the connection was cut"),
        ("IncompleteRead", "the connection was cut"),
        ("reset by peer", "the connection was cut"),
    ):
        if sign in text:
            return words
    return " ".join(text.split())[:120] or type(error).__name__
