"""Decoding into memory: the same pixels as one picture at a time, whatever the threads; damaged ones named."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.decode import PictureProbe, decode_images, probe_pictures, resident_bytes
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ConfigError, DataError, ImageDecodeError

Make = Callable[..., Path]


def noise(seed: int, width: int, height: int, mode: str = "RGB") -> bytes:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(params=["folder", "zip"])
def mixed(request: pytest.FixtureRequest, make_tree: Make) -> ImageSet:
    """150 noisy pictures of mixed sizes in two classes."""
    files = {f"{'ab'[n % 2]}/{n:03}.png": noise(n, 10 + n % 7, 9 + n % 5) for n in range(150)}
    return load_data(make_tree(files, request.param)).train


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_the_pixels_are_those_of_one_picture_at_a_time(mixed: ImageSet, threads: int) -> None:
    preprocess = Preprocess.plain(3, 8, 9)
    decoded = decode_images(mixed, preprocess, threads=threads)
    expected = torch.stack([preprocess.store(mixed.images.open(n)) for n in range(150)])  # type: ignore[union-attr]
    assert torch.equal(decoded.pixels, expected)
    assert decoded.pixels.shape == (150, 3, 9, 9)
    assert torch.equal(decoded.labels, mixed.labels)
    assert (decoded.classes, decoded.source) == (mixed.classes, mixed.source)
    assert resident_bytes(mixed, preprocess) == decoded.nbytes == resident_bytes(decoded, preprocess)


def test_a_picture_of_the_right_size_keeps_its_pixels(make_tree: Make) -> None:
    files = {"a/1.png": noise(1, 6, 6), "b/1.png": noise(2, 6, 6)}
    decoded = decode_images(load_data(make_tree(files)).train, Preprocess.plain(3, 6))
    raw = np.asarray(Image.open(io.BytesIO(files["a/1.png"])))
    assert np.array_equal(decoded.pixels[0].numpy(), raw.transpose(2, 0, 1))


def test_progress_reaches_the_end(mixed: ImageSet) -> None:
    seen: list[tuple[int, int]] = []
    decode_images(mixed, Preprocess.plain(1, 8), progress=lambda *state: seen.append(state))
    assert [done for done, _ in seen] == [64, 128, 150]
    assert {total for _, total in seen} == {150}


def test_images_in_memory_stay_as_they_are() -> None:
    images = ImageSet(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), "x")
    assert decode_images(images, Preprocess.plain(1, 8)) is images


@pytest.fixture
def damaged(make_tree: Make) -> ImageSet:
    """80 pictures of which 5, 30 and 70 are damaged."""
    files = {f"{'ab'[n % 2]}/{n:03}.png": noise(n, 8, 8) for n in range(80)}
    for n in (5, 30, 70):
        name = f"{'ab'[n % 2]}/{n:03}.png"
        files[name] = files[name][:60]
    return load_data(make_tree(files)).train


def test_a_damaged_picture_is_named(damaged: ImageSet) -> None:
    with pytest.raises(ImageDecodeError, match=r"a/030\.png: damaged picture"):
        decode_images(damaged, Preprocess.plain(3, 8), threads=2)


def test_damaged_pictures_are_left_out_counted_and_said(
    damaged: ImageSet, caplog: pytest.LogCaptureFixture
) -> None:
    skipped: list[ImageDecodeError] = []
    preprocess = Preprocess.plain(3, 8)
    decoded = decode_images(damaged, preprocess, skip_corrupt=3, on_skip=skipped.append)
    assert len(skipped) == 3
    assert [str(error).split(":")[0][-7:] for error in skipped] == ["030.png", "070.png", "005.png"]
    assert decoded.class_counts() == {"a": 38, "b": 39}
    kept = [n for n in range(80) if Path(damaged.images.names[n]).stem not in ("005", "030", "070")]  # type: ignore[union-attr]
    expected = torch.stack([preprocess.store(damaged.images.open(n)) for n in kept])  # type: ignore[union-attr]
    assert torch.equal(decoded.pixels, expected)
    with caplog.at_level(logging.WARNING, "convnets.data.decode"):
        decode_images(damaged, preprocess, skip_corrupt=10)
    assert caplog.text.count("left out: ") == 3


def test_one_more_than_the_cap_is_an_error(damaged: ImageSet) -> None:
    with pytest.raises(DataError, match=r"more than 2 pictures cannot be decoded .*005\.png"):
        decode_images(damaged, Preprocess.plain(3, 8), skip_corrupt=2, on_skip=lambda error: None)


def test_an_error_does_not_wait_for_the_rest(make_tree: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{'ab'[n % 2]}/{n:03}.png": noise(n, 4, 4) for n in range(600)}
    images = load_data(make_tree({**files, "a/000.png": b""})).train
    opened: list[int] = []
    original = type(images.images).open

    def slow(self: object, index: int) -> object:
        opened.append(index)
        time.sleep(0.001)
        return original(self, index)  # type: ignore[arg-type]

    monkeypatch.setattr(type(images.images), "open", slow)
    with pytest.raises(ImageDecodeError):
        decode_images(images, Preprocess.plain(3, 4), threads=1)
    assert len(opened) < 300


@pytest.mark.parametrize("options", [{"threads": -1}, {"skip_corrupt": -1}])
def test_negative_numbers_are_refused(mixed: ImageSet, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="allowed: 0 or more"):
        decode_images(mixed, Preprocess.plain(3, 8), **options)  # type: ignore[arg-type]


class TestProbe:
    """What a sample of the pictures looks like."""

    def test_gray_of_one_size(self, make_tree: Make) -> None:
        files = {f"{c}/{n}.png": noise(n, 5, 7, "L") for n in range(4) for c in "ab"}
        assert probe_pictures(load_data(make_tree(files)).train) == PictureProbe(1, (7, 5))

    def test_one_color_picture_makes_it_color(self, make_tree: Make) -> None:
        files = {"a/1.png": noise(1, 5, 5, "L"), "b/1.png": noise(1, 5, 6)}
        assert probe_pictures(load_data(make_tree(files)).train) == PictureProbe(3, None)

    def test_the_sample_spans_the_set(self, make_tree: Make) -> None:
        files = {f"{'ab'[n > 60]}/{n:03}.png": noise(n, 5, 5 if n < 110 else 6, "L") for n in range(120)}
        images = load_data(make_tree(files)).train
        assert probe_pictures(images, sample=12) == PictureProbe(1, None)
        assert probe_pictures(images, sample=1) == PictureProbe(1, (5, 5))
        with pytest.raises(ConfigError):
            probe_pictures(images, sample=0)

    def test_damaged_ones_are_passed_over_unless_all_are(self, damaged: ImageSet, make_tree: Make) -> None:
        assert probe_pictures(damaged) == PictureProbe(3, (8, 8))
        with pytest.raises(ImageDecodeError, match=r"a/1\.png"):
            probe_pictures(load_data(make_tree({"a/1.png": b"", "b/1.png": b""}, name="bad")).train)

    def test_images_in_memory_are_not_looked_at(self) -> None:
        images = ImageSet(torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), "x")
        assert probe_pictures(images) == PictureProbe(3, (4, 5))


@pytest.mark.cifar10_images
def test_real_jpegs_decode_from_the_zip_fast_enough(cifar10_zip: Path) -> None:
    images = load_data(cifar10_zip).test
    assert images is not None
    part = images.subset(range(0, 10_000, 10))
    assert probe_pictures(part) == PictureProbe(3, (32, 32))
    start = time.perf_counter()
    decoded = decode_images(part, Preprocess.plain(3, 32))
    assert time.perf_counter() - start < 5  # some 0.2 s: a hundred times slower would be a fault
    raw = part.images.open(123)  # type: ignore[union-attr]
    assert np.array_equal(decoded.pixels[123].permute(1, 2, 0).numpy(), np.asarray(raw))
