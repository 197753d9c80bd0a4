"""Checksums of published files: packed, packed again, unpacked, and wrong ones."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from convnets.data.downloads import published_file
from convnets.data.downloads.published_file import PublishedFile
from convnets.errors import DataError

CONTENT = b"sixteen bytes..." * 100


def by_sha256(name: str = "images.gz") -> PublishedFile:
    return PublishedFile(name, (), 1000, "0" * 32, hashlib.sha256(CONTENT).hexdigest())


def by_md5(raw: bytes, name: str = "images.gz") -> PublishedFile:
    return PublishedFile(name, (), 1000, hashlib.md5(raw).hexdigest())


def test_content_counts_however_it_is_packed(tmp_path: Path) -> None:
    for level in (1, 9):
        (tmp_path / "images.gz").write_bytes(gzip.compress(CONTENT, level))
        assert by_sha256().read(tmp_path / "images.gz") == CONTENT
    (tmp_path / "images").write_bytes(CONTENT)
    assert by_sha256().read(tmp_path / "images") == CONTENT


def test_without_a_checksum_of_the_content_the_packed_file_counts(tmp_path: Path) -> None:
    raw = gzip.compress(CONTENT, 9)
    (tmp_path / "images.gz").write_bytes(raw)
    assert by_md5(raw).read(tmp_path / "images.gz") == CONTENT
    (tmp_path / "images.gz").write_bytes(gzip.compress(CONTENT, 1))
    with pytest.raises(DataError, match="MD5 is"):
        by_md5(raw).read(tmp_path / "images.gz")


def test_archives_are_not_unpacked(tmp_path: Path) -> None:
    raw = gzip.compress(CONTENT)
    (tmp_path / "x.tar.gz").write_bytes(raw)
    file = by_md5(raw, "x.tar.gz")
    assert file.unpacked_name == "x.tar.gz"
    assert file.read(tmp_path / "x.tar.gz") == raw


def test_the_packed_file_is_taken_before_the_unpacked_one(tmp_path: Path) -> None:
    assert by_sha256().local_path(tmp_path) is None
    (tmp_path / "images").write_bytes(CONTENT)
    assert by_sha256().local_path(tmp_path) == tmp_path / "images"
    assert by_md5(b"").local_path(tmp_path) is None  # it could not be verified
    (tmp_path / "images.gz").write_bytes(b"")
    assert by_sha256().local_path(tmp_path) == tmp_path / "images.gz"


@pytest.mark.parametrize("position", [0, 3, 20, -9, -1])
def test_every_flipped_byte_is_seen(tmp_path: Path, position: int) -> None:
    raw = bytearray(gzip.compress(CONTENT))
    raw[position] ^= 1
    path = tmp_path / "images.gz"
    path.write_bytes(raw)
    if position == 3:  # a flag of the header that says "text": the content is the same
        assert by_sha256().read(path) == CONTENT
        return
    with pytest.raises(DataError, match=r"images\.gz: "):
        by_sha256().read(path)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><p>404", "web page of 21 bytes"),
        (gzip.compress(CONTENT)[:30], "not a whole gzip file"),
        (gzip.compress(b"other"), "SHA-256 of the unpacked content is"),
    ],
    # Names of their own: a gzip file holds the second it was made in, and processes that run the
    # tests side by side must agree on what the tests are called.
    ids=["empty", "web page", "cut gzip", "other content"],
)
def test_wrong_files_are_described(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "images.gz").write_bytes(raw)
    with pytest.raises(DataError, match=said) as caught:
        by_sha256().read(tmp_path / "images.gz")
    assert "\n" not in str(caught.value)


def test_a_gzip_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_file, "_MAX_UNPACKED_BYTES", 1000)
    (tmp_path / "images.gz").write_bytes(gzip.compress(bytes(1001)))
    with pytest.raises(DataError, match="unpacks to more than 1,000 bytes"):
        by_sha256().read(tmp_path / "images.gz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        by_sha256().read(tmp_path / "none")
