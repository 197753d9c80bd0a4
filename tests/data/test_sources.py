"""Data sets by name and by path, from files put together here and from the real ones."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convnets.data import catalogue
from convnets.data.catalogue import DataEntry, data_entry, list_data
from convnets.data.downloads.published_file import PublishedFile
from convnets.data.preprocess import channel_statistics
from convnets.data.sources import data_root, download_data, load_data
from convnets.errors import DataError, DownloadError, UnknownNameError

Make = Callable[..., Path]


def test_the_catalogue_holds_the_published_figures() -> None:
    figures = {
        entry.name: (entry.train_images, entry.test_images, entry.channels, entry.size, entry.mean, entry.std)
        for entry in list_data()
    }
    assert figures == {
        "digits": (1437, 360, 1, 8, (0.3054,), (0.3760,)),
        "fashion-mnist": (60_000, 10_000, 1, 28, (0.2860,), (0.3530,)),
        "mnist": (60_000, 10_000, 1, 28, (0.1307,), (0.3081,)),
        "kmnist": (60_000, 10_000, 1, 28, (0.1918,), (0.3483,)),
        "cifar10": (50_000, 10_000, 3, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    }
    assert all(len(entry.classes) == 10 for entry in list_data())
    sizes = [data_entry(name).download_bytes for name in ("digits", "fashion-mnist", "cifar10")]
    assert sizes == [0, 30_878_645, 170_052_171]
    for entry in list_data():
        for file in entry.files:
            assert len(file.md5) == 32
            assert file.sha256 is None or len(file.sha256) == 64
            assert file.mirrors[0].startswith("https://")


def test_unknown_names_give_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"nearest: .*fashion-mnist.*folder or zip"):
        load_data("fashion_mnist")
    for name in ("", "no such thing", "x\0y", "a" * 5000, "~nobody-here/x", str(tmp_path / "none")):
        with pytest.raises(UnknownNameError) as caught:
            load_data(name)
        assert "\n" not in str(caught.value)


class TestDigits:
    """The embedded data set."""

    def test_pixels_are_scikit_learn_s(self) -> None:
        from sklearn.datasets import load_digits

        splits, digits = load_data("digits"), load_digits()
        assert splits.test is not None
        found = torch.cat([splits.train.pixels, splits.test.pixels])[:, 0]
        labels = torch.cat([splits.train.labels, splits.test.labels])
        ours = sorted((int(k), image.tobytes()) for k, image in zip(labels, found.numpy(), strict=True))
        theirs = [
            (int(k), bytes(int(v * 255 / 16 + 0.5) for v in image.ravel()))
            for k, image in zip(digits.target, digits.images, strict=True)
        ]
        assert ours == sorted(theirs)
        assert int(found.max()) == 255

    def test_the_split_is_stratified_and_always_the_same(self) -> None:
        splits, again = load_data("digits"), load_data("digits")
        assert splits.test is not None
        assert again.test is not None
        assert (len(splits.train), len(splits.test)) == (1437, 360)
        for name, count in splits.test.class_counts().items():
            assert abs(count - (count + splits.train.class_counts()[name]) * 360 / 1797) < 1
        assert splits.train.content_hash() == again.train.content_hash()
        assert splits.test.content_hash() == again.test.content_hash()

    def test_mean_and_std_are_the_catalogue_s(self) -> None:
        mean, std = channel_statistics(load_data("digits").train.pixels, 1)
        assert mean == pytest.approx(data_entry("digits").mean, abs=5e-5)
        assert std == pytest.approx(data_entry("digits").std, abs=5e-5)


@pytest.mark.fashion_mnist
class TestFashionMnist:
    """The real files."""

    def test_it_is_the_published_set(self, fashion_mnist_root: Path) -> None:
        splits, entry = (
            load_data("fashion-mnist", root=fashion_mnist_root, download=False),
            data_entry("fashion-mnist"),
        )
        assert splits.test is not None
        assert (tuple(splits.train.pixels.shape), len(splits.test)) == ((60_000, 1, 28, 28), 10_000)
        assert set(splits.train.class_counts().values()) == {6000}
        assert set(splits.test.class_counts().values()) == {1000}
        values = splits.train.pixels.numpy().astype(np.float32) / 255
        assert float(values.mean(dtype=np.float64)) == pytest.approx(entry.mean[0], abs=5e-5)
        assert float(values.std(dtype=np.float64)) == pytest.approx(entry.std[0], abs=5e-5)
        assert splits.train.labels[:8].tolist() == [9, 0, 0, 3, 0, 2, 7, 2]
        assert splits.train.nbytes + splits.test.nbytes < 60e6

    def test_a_flipped_byte_is_seen(self, fashion_mnist_root: Path, tmp_path: Path) -> None:
        folder = tmp_path / "fashion-mnist"
        folder.mkdir()
        for file in (fashion_mnist_root / "fashion-mnist").iterdir():
            (folder / file.name).symlink_to(file)
        labels = folder / "t10k-labels-idx1-ubyte.gz"
        content = bytearray(gzip.decompress(labels.read_bytes()))
        content[500] ^= 1
        labels.unlink()
        labels.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: SHA-256 .* delete the file"):
            load_data("fashion-mnist", root=tmp_path)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> tuple[DataEntry, dict[str, bytes]]:
    """`mnist` with files of 3 and 2 images of 2×2 pixels, known by their own checksums."""
    contents = {
        "train-images-idx3-ubyte": struct.pack(">4I", 2051, 3, 2, 2) + bytes(range(12)),
        "train-labels-idx1-ubyte": struct.pack(">2I", 2049, 3) + bytes([1, 0, 9]),
        "t10k-images-idx3-ubyte": struct.pack(">4I", 2051, 2, 2, 2) + bytes(range(8)),
        "t10k-labels-idx1-ubyte": struct.pack(">2I", 2049, 2) + bytes([2, 2]),
    }
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in contents.items()}
    files = tuple(
        PublishedFile(n, (), len(p), hashlib.md5(p).hexdigest(), hashlib.sha256(c).hexdigest())
        for (n, p), c in zip(packed.items(), contents.values(), strict=True)
    )
    entry = replace(data_entry("mnist"), files=files)
    monkeypatch.setattr(catalogue, "_ENTRIES", (entry,))
    return entry, packed


def test_files_under_the_root_are_read(tiny: tuple[DataEntry, dict[str, bytes]], tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for index, (name, content) in enumerate(tiny[1].items()):
        if index % 2:
            (tmp_path / "mnist" / name).write_bytes(content)
        else:
            (tmp_path / "mnist" / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    splits = load_data("mnist", root=tmp_path, download=False)
    assert splits.train.pixels.tolist()[2] == [[[8, 9], [10, 11]]]
    assert splits.train.labels.tolist() == [1, 0, 9]
    assert splits.test is not None
    assert splits.test.labels.tolist() == [2, 2]


def test_missing_files_are_downloaded_once(
    tiny: tuple[DataEntry, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[..., Any],
) -> None:
    entry, packed = tiny
    first = next(iter(packed))
    (tmp_path / "mnist").mkdir()
    for name in list(packed)[1:]:
        (tmp_path / "mnist" / name).write_bytes(packed[name])
    with pytest.raises(DownloadError, match="downloads are off"):
        load_data("mnist", root=tmp_path, download=False)
    seen: list[str] = []
    with serve(packed[first]) as site:
        files = tuple(replace(file, mirrors=(site.url + file.name,)) for file in entry.files)
        monkeypatch.setattr(catalogue, "_ENTRIES", (replace(entry, files=files),))
        assert (
            download_data("mnist", root=tmp_path, progress=lambda *state: seen.append(state[0]))
            == tmp_path / "mnist"
        )
        assert len(load_data("mnist", root=tmp_path).train) == 3
    assert [path for path, _, _ in site.requests] == [f"/{first}"]
    assert set(seen) == {first}


def test_the_root_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVNETS_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.setenv("CONVNETS_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert data_root() == Path("/somewhere/convnets")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == Path.home() / ".cache" / "convnets"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_root() == Path.home() / "Library" / "Caches" / "convnets"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert data_root() == Path("/local/convnets/Cache")


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("wrapper", ["", "pets/"])
def test_pictures_by_path(make_tree: Make, kind: str, wrapper: str) -> None:
    names = ["train/cat/1.jpg", "train/dog/1.jpg", "train/dog/2.jpg", "val/cat/1.jpg", "val/dog/1.jpg"]
    path = make_tree({wrapper + name: None for name in names}, kind)
    splits = load_data(path)
    assert splits.classes == ("cat", "dog")
    assert list(splits.parts()) == ["train", "validation"]
    assert splits.train.labels.tolist() == [0, 1, 1]
    assert splits.train.images.names == [wrapper + name for name in names[:3]]  # type: ignore[union-attr]
    assert splits.source == str(path)
    assert not splits.train.resident


def test_a_folder_called_as_a_data_set_needs_its_path(
    make_tree: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_tree({"a/1.jpg": None, "b/1.jpg": None}, name="digits")
    monkeypatch.chdir(tmp_path)
    assert load_data("digits").train.resident
    assert load_data("./digits").classes == ("a", "b")


@pytest.mark.cifar10_images
def test_the_real_zip_of_cifar10(cifar10_zip: Path) -> None:
    splits = load_data(cifar10_zip)
    assert splits.classes == data_entry("cifar10").classes
    assert splits.test is not None
    assert set(splits.train.class_counts().values()) == {5000}
    assert set(splits.test.class_counts().values()) == {1000}
    assert splits.test.images.names[0] == "cifar10/test/airplane/0000.jpg"  # type: ignore[union-attr]
