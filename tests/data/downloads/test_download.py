"""Downloads against a server on this machine that truncates, lies, cuts the line and refuses."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.data.downloads.download import download_file
from convnets.data.downloads.http_transfer import TransferFailed, next_url
from convnets.data.downloads.published_file import PublishedFile
from convnets.errors import DownloadError

Serve = Callable[..., Any]
CONTENT = bytes(range(256)) * 1500  # 384,000 bytes


def published(*mirrors: str, content: bytes = CONTENT, name: str = "set.bin") -> PublishedFile:
    """A file of `content` at these mirrors."""
    md5 = hashlib.md5(content).hexdigest()
    return PublishedFile(name, tuple(f"{mirror}{name}" for mirror in mirrors), len(content), md5)


def get(file: PublishedFile, folder: Path, **settings: object) -> Path:
    return download_file(file, folder / "deep" / file.name, backoff=0.001, **settings)  # type: ignore[arg-type]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "deep").iterdir())


def test_a_file_arrives_whole_and_nothing_else_stays(serve: Serve, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with serve(CONTENT) as site:
        path = get(published(site.url), tmp_path, progress=lambda *state: seen.append(state))
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == ["set.bin"]
    assert seen[0] == ("set.bin", 0, len(CONTENT))
    assert seen[-1] == ("set.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_what_is_there_is_not_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT) as site:
        get(published(site.url), tmp_path)
        get(published(site.url), tmp_path)
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(serve: Serve, tmp_path: Path, status: int) -> None:
    with serve(CONTENT, faults=[("status", status), ("status", status)]) as site:
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert len(site.requests) == 3


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_goes_to_the_next_mirror_at_once(serve: Serve, tmp_path: Path, status: int) -> None:
    with serve(CONTENT, faults=[("status", status)]) as first, serve(CONTENT) as second:
        assert get(published(first.url, second.url), tmp_path).read_bytes() == CONTENT
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_a_cut_stream_goes_on_where_it_ended(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("cut", 131_072), ("cut", 200_000)]) as site:
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked, _ in site.requests] == [None, "bytes=131072-", "bytes=200000-"]
    assert [condition for _, _, condition in site.requests] == [None, '"v1"', '"v1"']


def test_a_later_call_resumes_the_partial_file(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("cut", 131_072)]) as site:
        with pytest.raises(DownloadError, match=r"cut|ended"):
            get(published(site.url), tmp_path, attempts=1)
        assert left_in(tmp_path) == ["set.bin.part", "set.bin.part.json"]
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert site.requests[-1][1] == "bytes=131072-"
    assert left_in(tmp_path) == ["set.bin"]


def test_a_server_without_ranges_sends_it_all_again(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, ignores_ranges=True, faults=[("cut", 131_072)]) as site:
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert site.requests[1][1] == "bytes=131072-"


def test_a_file_that_changed_meanwhile_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    with serve(b"x" * len(CONTENT), etag='"old"', faults=[("cut", 131_072)]) as site:
        with pytest.raises(DownloadError):
            get(published(site.url), tmp_path, attempts=1)
        site.content, site.etag = CONTENT, '"new"'
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT


def test_a_wrong_range_is_not_believed(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("cut", 131_072), ("range", 5)]) as site:
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked, _ in site.requests] == [None, "bytes=131072-", None]


def test_a_damaged_beginning_is_thrown_away_once(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("cut", 131_072)]) as site:
        with pytest.raises(DownloadError):
            get(published(site.url), tmp_path, attempts=1)
        part = tmp_path / "deep" / "set.bin.part"
        part.write_bytes(b"!" + part.read_bytes()[1:])
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked, _ in site.requests] == [None, "bytes=131072-", None]


def test_a_partial_file_that_is_too_long_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("cut", 131_072)]) as site:
        with pytest.raises(DownloadError):
            get(published(site.url), tmp_path, attempts=1)
        (tmp_path / "deep" / "set.bin.part").write_bytes(CONTENT + b"more")
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT


def test_a_web_page_is_not_taken_for_data(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("html", None)]) as first, serve(CONTENT) as second:
        assert get(published(first.url, second.url), tmp_path).read_bytes() == CONTENT
    assert len(first.requests) == 1


def test_the_error_says_what_each_mirror_answered(serve: Serve, tmp_path: Path) -> None:
    html, gone, cut = [("html", None)], [("status", 403)], [("cut", 1000), ("cut", 1000)]
    with serve(CONTENT, faults=html) as a, serve(b"", faults=gone) as b, serve(CONTENT, faults=cut) as c:
        closed = "http://127.0.0.1:9/"
        with pytest.raises(DownloadError) as caught:
            get(published(a.url, b.url, c.url, closed), tmp_path, attempts=2)
    message = str(caught.value)
    assert "\n" not in message
    for expected in (
        "web page",
        "HTTP 403",
        "(2 attempts)",
        "connection refused",
        a.url,
        b.url,
        c.url,
        closed,
    ):
        assert expected in message
    assert "set.bin" not in left_in(tmp_path)


def test_a_silently_truncated_file_is_refused(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT, faults=[("truncate", 1000)]) as site, pytest.raises(DownloadError, match="MD5 is"):
        get(published(site.url), tmp_path)
    assert left_in(tmp_path) == []


def test_an_endless_file_is_refused(serve: Serve, tmp_path: Path) -> None:
    with serve(bytes(3 << 20)) as site, pytest.raises(DownloadError, match=r"at most 1,048,576 are expected"):
        get(published(site.url, content=b"small"), tmp_path)
    assert "set.bin" not in left_in(tmp_path)


def test_a_repacked_gzip_counts_by_its_content(serve: Serve, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    with serve(gzip.compress(CONTENT, 1)) as site:
        file = PublishedFile("set.gz", (f"{site.url}set.gz",), 1 << 20, "0" * 32, digest)
        assert file.read(get(file, tmp_path)) == CONTENT


def test_redirects_are_followed_but_not_in_circles(serve: Serve, tmp_path: Path) -> None:
    with serve(CONTENT) as real, serve(b"", faults=[("redirect", f"{real.url}elsewhere")]) as site:
        assert get(published(site.url), tmp_path).read_bytes() == CONTENT
    assert real.requests[0][0] == "/elsewhere"
    with (
        serve(b"", faults=[("redirect", "/again")] * 9) as circle,
        pytest.raises(DownloadError, match="5 redirects"),
    ):
        get(published(circle.url), tmp_path / "other")


@pytest.mark.parametrize(
    "location", ["http://a.org/x", "//a.org:80/x", "ftp://a.org/x", "file:///etc/passwd"]
)
def test_https_never_leads_to_anything_less(location: str) -> None:
    if location.startswith("//"):
        assert next_url("https://a.org/y", location) == "https://a.org:80/x"
        return
    with pytest.raises(TransferFailed, match="refused a redirect") as caught:
        next_url("https://a.org/y", location)
    assert not caught.value.passing


def test_http_may_lead_to_https() -> None:
    assert next_url("http://a.org/y", "https://b.org/x") == "https://b.org/x"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written.*CONVNETS_DATA"):
        get(published("http://127.0.0.1:9/"), tmp_path / "file")


CHILD = """
    import sys
    from pathlib import Path
    from convnets.data.downloads.download import download_file
    from convnets.data.downloads.published_file import PublishedFile
    url, target, size, md5 = sys.argv[1:]
    print("started", flush=True)
    download_file(PublishedFile("set.bin", (url,), int(size), md5), Path(target), backoff=0.01)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_four_processes_at_once_with_the_busy_one_killed_end_with_one_valid_file(
    serve: Serve, tmp_path: Path
) -> None:
    content = os.urandom(1 << 20)
    target, script = tmp_path / "set.bin", tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD))
    with serve(content, chunk_seconds=0.02) as site:
        arguments = [f"{site.url}set.bin", str(target), str(len(content)), hashlib.md5(content).hexdigest()]
        command = [sys.executable, str(script), *arguments]
        first = subprocess.Popen(command)
        deadline = time.monotonic() + 20
        part = target.with_name("set.bin.part")
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
        others = [subprocess.Popen(command) for _ in range(3)]
        first.send_signal(signal.SIGKILL)
        assert first.wait(10) == -signal.SIGKILL
        assert not target.exists()
        assert [process.wait(30) for process in others] == [0, 0, 0]
    assert target.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["child.py", "set.bin"]
    assert len(site.requests) == 2  # the killed one's, and one that went on from there for all three
    assert site.requests[1][1] is not None
