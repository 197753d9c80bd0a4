"""Decoded pictures on disk: the same pixels again, and nothing that is wrong with a file stops anybody's work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from convnets.data.images import decoded_cache
from convnets.data.images.decoded_cache import DecodedCache

PIXELS = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_what_is_kept_is_found_and_can_be_written_to(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    path = cache.path_for("hash", 3, 8)
    assert cache.find(path) is None
    assert cache.keep(path, PIXELS, seconds=2.0)
    found = cache.find(path)
    assert found is not None
    assert torch.equal(found, PIXELS)
    found[0] = 0
    again = cache.find(path)
    assert again is not None
    assert torch.equal(again, PIXELS)


def test_content_channels_and_size_are_told_apart(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    others = [("hash", 3, 8), ("other", 3, 8), ("hash", 1, 8), ("hash", 3, 9)]
    assert len({cache.path_for(*each) for each in others}) == 4


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "words", "other"])
def test_a_damaged_file_is_as_none(damage: str, tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    path = cache.path_for("hash", 3, 8)
    cache.keep(path, PIXELS, seconds=2.0)
    content = path.read_bytes()
    damaged = {
        "cut": content[:-1],
        "changed": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "words": b"no JSON\n" + content,
        "other": b"[1]\n" + content,
    }
    path.write_bytes(damaged[damage])
    assert cache.find(path) is None


def test_what_was_decoded_at_once_is_not_kept(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    assert not cache.keep(cache.path_for("hash", 3, 8), PIXELS, seconds=0.1)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = DecodedCache(tmp_path / "file" / "below")
    assert not cache.keep(cache.path_for("hash", 3, 8), PIXELS, seconds=2.0)


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DecodedCache(tmp_path)
    paths = [cache.path_for(str(number), 3, 8) for number in range(4)]
    for age, path in enumerate(paths[:3]):
        cache.keep(path, PIXELS, seconds=2.0)
        os.utime(path, (1000 + age, 1000 + age))
    cache.find(paths[0])  # now it is the one used last
    monkeypatch.setattr(decoded_cache, "_MOST_BYTES", 3 * paths[0].stat().st_size)
    assert cache.keep(paths[3], PIXELS, seconds=2.0)
    assert [path.exists() for path in paths] == [True, False, True, True]
