"""The stream of pictures: every picture once, in order, by whatever route; broken ones become reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convnets.data.images.folder import FolderPictures
from convnets.data.preprocess import Preprocess
from convnets.retrieval.building import picture_stream
from convnets.retrieval.building.picture_stream import stream_pictures


@pytest.mark.parametrize("many", [1, 10**9], ids=["processes", "threads"])
@pytest.mark.parametrize(("size", "start"), [(4, 0), (5, 0), (100, 0), (4, 8)])
def test_each_picture_once_and_in_order(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, many: int, size: int, start: int
) -> None:
    monkeypatch.setattr(picture_stream, "_MANY", many)
    files, preprocess = FolderPictures.scan(photographs), Preprocess.plain(3, 8, 10)
    batches = list(stream_pictures(files, preprocess, size, start=start, workers=2))
    assert [place for batch in batches for place in range(batch.start, batch.stop)] == list(range(start, 14))
    for batch in batches:
        assert batch.pixels.shape == (len(batch.rows), 3, 10, 10)
        failed = [place for place, _ in batch.failures]
        assert sorted([*batch.rows, *failed]) == list(range(batch.start, batch.stop))
        for row, pixels in zip(batch.rows, batch.pixels, strict=True):
            assert torch.equal(pixels, preprocess.store(files.open(row)))
    failures = {files.names[place]: reason for batch in batches for place, reason in batch.failures}
    expected = ["dark/empty.jpg", "light/page.jpg"] if start == 0 else ["light/page.jpg"]
    assert sorted(failures) == expected
    assert all(name in reason for name, reason in failures.items())


def test_pictures_in_memory_are_passed_on() -> None:
    pixels = torch.randint(256, (7, 1, 4, 4), dtype=torch.uint8)
    batches = list(stream_pictures(pixels, Preprocess.plain(1, 4), 3, start=3))
    assert [batch.rows for batch in batches] == [[3, 4, 5], [6]]
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), pixels[3:])
    assert list(stream_pictures(pixels, Preprocess.plain(1, 4), 3, start=7)) == []
