"""Tar shards: found by pattern, indexed by their headers, read from their places; damage is named."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.decode import decode_images
from convnets.data.image_set import ImageSet, PictureFiles
from convnets.data.preprocess import Preprocess
from convnets.data.shards import index as shard_index
from convnets.data.shards.dataset import load_shards
from convnets.data.shards.images import ShardPictures
from convnets.data.shards.paths import expand_shards, lasting_pattern
from convnets.data.sources import load_data
from convnets.data.validation.check import check_data
from convnets.errors import ConfigError, DataError, ImageDecodeError

Members = list[tuple[str, bytes]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVNETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def png(value: int, size: int = 4) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, members: Members, format: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w", format=format) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(first: int, count: int, prefix: str = "") -> Members:
    """Pictures whose every pixel is their number, of class number mod 3."""
    return [
        member
        for n in range(first, first + count)
        for member in ((f"{prefix}{n:04}.png", png(n)), (f"{prefix}{n:04}.cls", str(n % 3).encode()))
    ]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of 5, 7 and 4 samples numbered from 0."""
    first = 0
    for number, count in enumerate((5, 7, 4)):
        write_tar(tmp_path / f"set-{number:03}.tar", samples(first, count))
        first += count
    return tmp_path


def numbers(images: ImageSet) -> list[int]:
    return decode_images(images, Preprocess.plain(1, 4)).pixels[:, 0, 0, 0].tolist()


def test_samples_come_in_order_with_their_labels(shards: Path) -> None:
    splits = load_data(f"{shards}/set-{{000..002}}.tar")
    assert isinstance(splits.train.images, ShardPictures)
    assert isinstance(splits.train.images, PictureFiles)
    assert splits.classes == ("0", "1", "2")
    assert numbers(splits.train) == list(range(16))
    assert splits.train.labels.tolist() == [n % 3 for n in range(16)]
    assert splits.train.images.names[5].endswith("set-001.tar: 0005")


@pytest.mark.parametrize(
    "pattern", ["set-*.tar", "set-00[012].tar", "set-{000,001,002}.tar", "set-{000..001}.tar::D/set-002.tar"]
)
def test_patterns_mean_the_same(shards: Path, pattern: str) -> None:
    assert numbers(load_shards(f"{shards}/{pattern.replace('D/', f'{shards}/')}").train) == list(range(16))


def test_a_folder_of_shards_is_a_data_set(shards: Path) -> None:
    write_tar(shards / "val-0.tar", samples(100, 3))
    write_tar(shards / "test_00.tar", samples(200, 3))
    (shards / "classes.txt").write_text("cat\ndog\ncow\n")
    splits = load_data(shards)
    assert splits.classes == ("cat", "dog", "cow")
    assert {name: numbers(part) for name, part in splits.parts().items()} == {
        "train": list(range(16)), "validation": [100, 101, 102], "test": [200, 201, 202],
    }  # fmt: skip


def test_where_a_picture_lies_is_where_its_bytes_are(shards: Path) -> None:
    pictures = load_shards(f"{shards}/set-*.tar").train.images
    assert isinstance(pictures, ShardPictures)
    for index in range(16):
        shard, offset = pictures.position(index)
        content = Path(shard).read_bytes()[offset:]
        assert content.startswith(png(index))
        assert pictures.read(index) == png(index)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_tar_is_read(tmp_path: Path, format: int) -> None:
    prefix = "a/" * 20 if format == tarfile.USTAR_FORMAT else "猫" * 60 + "/"
    write_tar(tmp_path / "x.tar", [("readme.txt", b"x")][:0] + samples(0, 4, prefix), format)
    assert numbers(load_shards(str(tmp_path / "x.tar")).train) == [0, 1, 2, 3]


def test_names_as_labels_and_other_members_beside(tmp_path: Path) -> None:
    members = [
        ("1.json", b"{}"),
        ("1.jpg", png(7)),
        ("1.cls", b"dog\n"),
        ("2.cls", b"cat"),
        ("2.seg.png", b""),
        ("2.PNG", png(9)),
    ]
    write_tar(tmp_path / "x.tar", members)
    train = load_shards(str(tmp_path / "x.tar")).train
    assert (train.classes, train.labels.tolist(), numbers(train)) == (("cat", "dog"), [1, 0], [7, 9])


def test_subsets_threads_processes_and_pickles_read_the_right_pictures(shards: Path) -> None:
    images = load_shards(f"{shards}/set-*.tar").train
    some = images.subset([15, 3, 8, 0])
    assert numbers(some) == [15, 3, 8, 0]
    assert isinstance(images.images, ShardPictures)
    images.images.read(0)  # a file is open before the pickle and before the fork
    copy = pickle.loads(pickle.dumps(images.images))
    assert [copy.read(n) for n in range(16)] == [png(n) for n in range(16)]
    assert (
        decode_images(images.subset(list(range(16)) * 20), Preprocess.plain(1, 4), threads=4)
        .pixels[:, 0, 0, 0]
        .tolist()
        == list(range(16)) * 20
    )


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_processes_do_not_share_a_position(shards: Path) -> None:
    pictures = load_shards(f"{shards}/set-*.tar").train.images
    assert isinstance(pictures, ShardPictures)
    pictures.read(0)
    with get_context("fork").Pool(3) as pool:
        found = pool.map(pictures.read, [n % 16 for n in range(160)], chunksize=3)
    assert found == [png(n % 16) for n in range(160)]


def test_the_index_is_kept_and_made_anew_when_a_shard_changes(
    shards: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    look = shard_index._members
    monkeypatch.setattr(shard_index, "_members", lambda shard, size: looks.append(shard) or look(shard, size))
    first = load_shards(f"{shards}/set-*.tar")
    assert len(looks) == 3
    again = load_shards(f"{shards}/set-*.tar")
    assert len(looks) == 3
    assert again.train.content_hash() == first.train.content_hash()
    assert numbers(again.train) == list(range(16))
    (kept,) = (cache / "shards").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])  # a damaged index is not believed
    assert numbers(load_shards(f"{shards}/set-*.tar").train) == list(range(16))
    assert len(looks) == 6
    write_tar(shards / "set-001.tar", samples(40, 7))
    assert numbers(load_shards(f"{shards}/set-*.tar").train)[5:12] == list(range(40, 47))


def test_urls_are_read_by_fsspec(shards: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in shards.glob("*.tar"):
        store.pipe(f"/bucket/{path.name}", path.read_bytes())
    try:
        assert numbers(load_data("memory://bucket/set-{000..002}.tar").train) == list(range(16))
        assert numbers(load_data(f"file://{shards}/set-{{000..002}}.tar").train) == list(range(16))
        with pytest.raises(DataError, match=r"set-003\.tar: cannot be read"):
            load_data("memory://bucket/set-{000..003}.tar")
    finally:
        store.rm("/bucket", recursive=True)


def test_a_url_without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(DataError, match="install it: pip install fsspec"):
        load_data("s3://bucket/set-000.tar")


@pytest.mark.parametrize("url", ["none://bucket/x.tar", "://x.tar"])
def test_a_url_that_nothing_opens(url: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(DataError):
        load_data(url)


def test_check_reads_shards(shards: Path) -> None:
    write_tar(shards / "test-0.tar", [*samples(3, 1), ("9.jpg", b"<html>"), ("9.cls", b"1")])
    check = check_data(f"{shards}/*.tar")
    assert check_data(shards).problems == check.problems
    assert check.counts == {"train": {"0": 6, "1": 5, "2": 5}, "test": {"0": 1, "1": 0, "2": 0}}
    assert len(check.leaks) == len(check.unreadable) == 1
    assert "test-0.tar: 9: not a picture, it is a web page" in check.unreadable[0]


BAD: dict[str, tuple[Members, str]] = {
    "no label": ([("1.png", png(1))], "sample '1' has no .cls with its label"),
    "no picture": ([("1.cls", b"1"), ("2.png", png(1)), ("2.cls", b"1")], "sample '1' has no picture"),
    "empty label": ([("1.png", png(1)), ("1.cls", b" ")], "label of '1' is b' '"),
    "binary label": ([("1.png", png(1)), ("1.cls", b"\xff\x00")], "allowed: a number or a name"),
    "huge label": ([("1.png", png(1)), ("1.cls", b"99999999999999")], "label 99999999999999; allowed: 0 to"),
    "no samples": ([], "no samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_samples_are_named(tmp_path: Path, case: str) -> None:
    members, said = BAD[case]
    write_tar(tmp_path / "x.tar", members)
    with pytest.raises(DataError) as caught:
        load_shards(str(tmp_path / "x.tar"))
    assert said in str(caught.value)
    assert "x.tar" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_that_is_cut_off_says_how_much_is_there(shards: Path) -> None:
    path = shards / "set-001.tar"
    content = path.read_bytes()
    last = content.rindex(b"0011.png")
    for cut in (100, 700, 5000, last + 520):
        path.write_bytes(content[:cut])
        with pytest.raises(
            DataError, match=r"set-001\.tar: (cut off|not a whole tar|sample .* has no|damaged)"
        ):
            load_shards(f"{shards}/set-*.tar")


def test_a_damaged_header_does_not_end_the_shard_in_silence(shards: Path) -> None:
    path = shards / "set-001.tar"
    content = bytearray(path.read_bytes())
    place = content.index(b"0008.png")
    for change in (
        lambda c: c.__setitem__(place, c[place] ^ 1),
        lambda c: c.__setitem__(slice(place, place + 512), bytes(512)),
    ):
        damaged = bytearray(content)
        change(damaged)
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"set-001\.tar: damaged at byte"):
            load_shards(f"{shards}/set-*.tar")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("1.png")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=r"'1\.png' is a link or device"):
        load_shards(str(tmp_path / "x.tar"))


def test_a_header_without_end_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate((1 << 33) + 4096)
    with pytest.raises(DataError, match="a header of 8,589,934,592 bytes"):
        load_shards(str(tmp_path / "x.tar"))


def test_a_picture_above_the_cap_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("1.png")
    info.size = (1 << 28) + 1
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(info.size + 10_240)
    with pytest.raises(ImageDecodeError, match="allowed for a picture file"):
        load_shards(str(tmp_path / "x.tar"))


def test_a_shard_that_shrinks_after_it_was_indexed(shards: Path) -> None:
    images = load_shards(f"{shards}/set-*.tar").train.images
    assert isinstance(images, ShardPictures)
    shard, offset = images.position(4)
    with Path(shard).open("rb+") as file:
        file.truncate(offset + 10)
    with pytest.raises(ImageDecodeError, match=r"0004: cut off: 10 of \d+ bytes are in its shard"):
        images.open(4)
    Path(shard).unlink()
    with pytest.raises(ImageDecodeError, match=r"0000: cannot be read from its shard"):
        load_copy(images).open(0)


def load_copy(images: ShardPictures) -> ShardPictures:
    copy: ShardPictures = pickle.loads(pickle.dumps(images))
    return copy


def test_packed_shards_are_refused_with_the_remedy(shards: Path) -> None:
    with tarfile.open(shards / "packed.tar", "w:gz") as archive:
        archive.add(shards / "set-000.tar", "1.png")
    with pytest.raises(DataError, match=r"packed\.tar: not a whole tar file .*must be unpacked"):
        load_shards(str(shards / "packed.tar"))


@pytest.mark.parametrize(
    ("pattern", "kind", "said"),
    [
        ("none.tar", DataError, "none.tar: no such shard"),
        ("none-*.tar", DataError, "no such shard"),
        ("set-{2..1}.tar", ConfigError, "allowed: from low to high"),
        ("set-{0..99999999}.tar", ConfigError, "at most 1,000,000"),
        ("set-{0..9999}{0..9999}.tar", ConfigError, "more than 1,000,000 shards"),
        ("set-000.tar::set-000.tar", DataError, "named twice"),
        ("val-0.tar", DataError, "only validation shards"),
    ],
)
def test_patterns_that_mean_nothing(
    shards: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, kind: type[Exception], said: str
) -> None:
    monkeypatch.chdir(shards)
    write_tar(shards / "val-0.tar", samples(0, 2))
    with pytest.raises(kind, match=said):
        load_data(pattern)


def test_patterns_are_expanded_with_their_zeros() -> None:
    assert expand_shards("s3://b/{08..11}.tar") == [f"s3://b/{n}.tar" for n in ("08", "09", "10", "11")]
    assert expand_shards("s3://b/x.tar::gs://c/{a,b}.tar") == ["s3://b/x.tar", "gs://c/a.tar", "gs://c/b.tar"]


def test_patterns_last_when_the_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lasting_pattern("a-{0..2}.tar::s3://b/x.tar") == f"{tmp_path}/a-{{0..2}}.tar::s3://b/x.tar"


def test_labels_beyond_the_given_classes_are_refused(shards: Path) -> None:
    with pytest.raises(DataError, match="label '2' with 2 classes"):
        load_shards(f"{shards}/set-*.tar", classes=("a", "b"))
    (shards / "classes.txt").write_text("a\na\n")
    with pytest.raises(DataError, match="a class is named twice"):
        load_shards(f"{shards}/set-*.tar")


def test_the_hash_is_of_names_and_places(shards: Path) -> None:
    first = load_shards(f"{shards}/set-*.tar").train
    assert first.content_hash() != first.subset(range(15)).content_hash()
    assert len(first.content_hash()) == len(hashlib.sha256().hexdigest())
    assert torch.equal(first.labels, load_shards(f"{shards}/set-*.tar").train.labels)


def test_progress_counts_shards(shards: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    report: Callable[[str, int, int | None], None] = lambda *a: told.append(a)  # noqa: E731
    load_shards(f"{shards}/set-*.tar", progress=report)
    assert told == [("looking at shards", n, 3) for n in (1, 2, 3)]


def test_what_other_systems_add_is_passed_over_and_counted(tmp_path: Path) -> None:
    members: Members = [
        ("./.DS_Store", b"x"),
        ("./README.md", b"about"),
        ("./._0000.JPG", b"resource fork"),
        ("./0000.JPG", png(0)),
        ("./._0000.CLS", b"resource fork"),
        ("./0000.CLS", b"b"),
        ("./0000.json", b"{}"),
        ("@eaDir/0001.png", png(9)),
        ("./0001.seg.png", png(9)),
        ("./0001.jpeg", png(1)),
        ("./0001.cls", b"a"),
        ("LICENSE", b"mine"),
    ]
    write_tar(tmp_path / "train-0.tar", members)
    for _ in range(2):  # the second time from the cache
        splits = load_shards(str(tmp_path / "train-0.tar"))
        assert [splits.classes[label] for label in splits.train.labels] == ["b", "a"]
        assert splits.notes == ("passed over in the shards: 6 files that belong to no picture",)
        assert isinstance(splits.train.images, ShardPictures)
        assert [splits.train.images.read(n) for n in range(2)] == [png(0), png(1)]


@pytest.mark.parametrize(
    "text", ["\ufeffcat\ndog\nowl\n", "cat\r\n\r\ndog\r\nowl\r\n\r\n", "\n cat \n\ndog\nowl"]
)
def test_a_list_of_classes_from_other_editors(tmp_path: Path, text: str) -> None:
    write_tar(tmp_path / "train-0.tar", samples(0, 6))
    (tmp_path / "classes.txt").write_bytes(text.encode())
    assert load_shards(str(tmp_path / "train-0.tar")).classes == ("cat", "dog", "owl")
