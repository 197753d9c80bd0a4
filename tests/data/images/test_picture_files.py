"""Pictures in folders and zips: found, read by threads and processes, and kept inside."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from convnets.data.image_set import PictureFiles
from convnets.data.images.folder import FolderPictures
from convnets.data.images.opening import MAX_PICTURE_BYTES
from convnets.data.images.zip_archive import ZipPictures
from convnets.errors import DataError, ImageDecodeError

Make = Callable[..., Path]
SCANS = {"folder": FolderPictures.scan, "zip": ZipPictures.scan}
FILES = {
    "b/2.PNG": None,
    "b/1.jpg": None,
    "a/x/deep.jpeg": None,
    "a/notes.txt": b"text",
    "labels.csv": b"1,2",
    ".hidden/1.jpg": None,
    "a/._1.jpg": b"resource fork",
    "__MACOSX/a/1.jpg": b"junk",
    "a/Thumbs.db": b"junk",
}


@pytest.fixture(params=["folder", "zip"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_pictures_are_found_in_order_and_others_counted(make_tree: Make, kind: str) -> None:
    pictures = SCANS[kind](make_tree(FILES, kind))
    assert isinstance(pictures, PictureFiles)
    assert list(pictures.names) == ["a/x/deep.jpeg", "b/1.jpg", "b/2.PNG"]
    assert pictures.ignored == 2
    assert pictures.open(1).size == (12, 8)


def test_empty_folders_are_told(make_tree: Make, kind: str) -> None:
    pictures = SCANS[kind](make_tree({"a/b/1.jpg": None, "c/": b"", "d/e/": b"", "f/note.txt": b""}, kind))
    assert {"c", "d/e"} <= set(pictures.empty_folders)
    assert "a" not in pictures.empty_folders


def test_a_subset_keeps_the_given_order(make_tree: Make, kind: str) -> None:
    pictures = SCANS[kind](make_tree(FILES, kind)).subset([2, 0])
    assert list(pictures.names) == ["b/2.PNG", "a/x/deep.jpeg"]
    assert len(pictures) == 2


def test_the_hash_depends_on_names_and_content(
    make_tree: Make, kind: str, picture: Callable[..., bytes]
) -> None:
    def hash_of(files: dict[str, bytes | None], name: str) -> str:
        return SCANS[kind](make_tree(files, kind, name)).content_hash()

    first = hash_of({"a/1.jpg": None, "a/2.jpg": None}, "one")
    assert first == hash_of({"a/2.jpg": None, "a/1.jpg": None}, "two")
    assert first != hash_of({"a/1.jpg": None, "a/3.jpg": None}, "three")
    assert first != hash_of({"a/1.jpg": None, "a/2.jpg": picture("blue")}, "four")


def test_the_hash_of_a_folder_is_sha256_of_what_lies_there(make_tree: Make) -> None:
    root = make_tree({"a/1.jpg": b"one", "b/2.jpg": b"two"})
    digest = hashlib.sha256()
    for name, content in (("a/1.jpg", b"one"), ("b/2.jpg", b"two")):
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    assert FolderPictures.scan(root).content_hash() == digest.hexdigest()


def test_folds_of_a_folder_read_no_file_again_unless_it_was_changed(
    make_tree: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree({"a/1.jpg": b"one", "b/2.jpg": b"two"})
    read: list[str] = []
    digest = hashlib.file_digest

    def watched(file: BinaryIO, name: str) -> Any:
        read.append(Path(file.name).name)
        return digest(file, name)

    monkeypatch.setattr("convnets.data.images.folder.hashlib.file_digest", watched)
    whole = FolderPictures.scan(root)
    first = whole.content_hash()
    assert whole.subset([1]).content_hash() != whole.subset([0]).content_hash()
    assert read == ["1.jpg", "2.jpg"]
    (root / "b" / "2.jpg").write_bytes(b"too")
    assert whole.subset([0, 1]).content_hash() != first
    assert read == ["1.jpg", "2.jpg", "2.jpg"]


def _sum_of(pictures: PictureFiles, index: int) -> int:
    return zlib.crc32(pictures.open(index).tobytes())


@pytest.fixture
def many(make_tree: Make, kind: str, picture: Callable[..., bytes]) -> FolderPictures | ZipPictures:
    files = {f"c/{n:03}.png": picture((n, 255 - n, n // 2), (20, 20), format="PNG") for n in range(64)}
    return SCANS[kind](make_tree(files, kind))


def test_threads_read_the_right_pictures(many: ZipPictures) -> None:
    expected = [_sum_of(many, index) for index in range(64)]
    assert len(set(expected)) == 64
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: _sum_of(many, index % 64), range(1024)))
    assert found == expected * 16


@pytest.mark.skipif(os.name != "posix", reason="fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_processes_read_the_right_pictures(many: ZipPictures) -> None:
    expected = [_sum_of(many, index) for index in range(64)]  # the archive is open before the fork
    with get_context("fork").Pool(3) as pool:
        assert pool.starmap(_sum_of, [(many, index) for index in range(64)], chunksize=4) == expected


def test_pictures_travel_by_pickle(many: ZipPictures) -> None:
    _sum_of(many, 0)
    assert _sum_of(pickle.loads(pickle.dumps(many)), 7) == _sum_of(many, 7)


@pytest.mark.parametrize(
    "name", ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "C:/1.jpg", "a\\..\\1.jpg", "c:\\1.jpg", "..\\1.jpg"]
)
def test_members_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.jpg", b"")
        archive.writestr(name, b"")
    with pytest.raises(DataError, match=r"leads out of the archive"):
        ZipPictures.scan(path)


@pytest.mark.parametrize("kind_of_file", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, kind_of_file: int) -> None:
    path = tmp_path / "x.zip"
    info = zipfile.ZipInfo("a/1.jpg")
    info.external_attr = (kind_of_file | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"'a/1\.jpg' is a link or device"):
        ZipPictures.scan(path)


def test_a_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a/1.png", "w") as member,
    ):
        for _ in range(MAX_PICTURE_BYTES >> 22):
            member.write(bytes(1 << 22))
        member.write(b"\0")
    assert path.stat().st_size < 1 << 22
    with pytest.raises(ImageDecodeError, match="268,435,457 bytes; allowed for a picture file: 268,435,456"):
        ZipPictures.scan(path)


def test_a_bomb_that_lies_about_its_size_ends_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(5_000_000))
    content = path.read_bytes()
    path.write_bytes(content.replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(ImageDecodeError, match=r"a/1\.png"):
        ZipPictures.scan(path).open(0)


def test_a_sparse_giant_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "1.jpg").open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    with pytest.raises(ImageDecodeError, match="allowed for a picture file"):
        FolderPictures.scan(tmp_path).open(0)


def test_damaged_archives_are_one_kind_of_error(tmp_path: Path, make_tree: Make) -> None:
    path = make_tree({f"a/{n}.jpg": None for n in range(3)}, "zip")
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.zip").write_bytes(content[:cut])
        with pytest.raises(DataError, match="not a whole zip archive"):
            ZipPictures.scan(tmp_path / "cut.zip")
    path.write_bytes(content.replace(b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"))
    with pytest.raises(ImageDecodeError, match=r"CRC"):
        ZipPictures.scan(path).open(0)


def test_an_encrypted_member_is_named(make_tree: Make) -> None:
    path = make_tree({"a/1.jpg": None}, "zip")
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(ImageDecodeError, match=r"a/1\.jpg.*encrypted"):
        ZipPictures.scan(path).open(0)


def test_utf_8_names_without_the_flag_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("猫/1.jpg", b"")
    path.write_bytes(bytes(path.read_bytes()).replace(b"\0\x08", b"\0\0"))  # the flag bits of both headers
    assert list(ZipPictures.scan(path).names) == ["猫/1.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="bytes in file names")
def test_names_that_are_not_utf_8_survive(make_tree: Make, picture: Callable[..., bytes]) -> None:
    root = make_tree({"ok/1.jpg": None})
    folder = root / os.fsdecode(b"b\xe4r")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(picture())
    pictures = FolderPictures.scan(root)
    assert list(pictures.names) == [r"b\xe4r/\xff.jpg", "ok/1.jpg"]
    assert pictures.open(0).size == (12, 8)
    assert pictures.content_hash() == pickle.loads(pickle.dumps(pictures)).content_hash()
    "".join(pictures.names).encode("utf-8")


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
class TestLinks:
    """Links in a folder of pictures."""

    def test_a_link_to_a_picture_inside_is_followed(self, make_tree: Make) -> None:
        root = make_tree({"a/1.jpg": None})
        (root / "a" / "2.jpg").symlink_to("1.jpg")
        assert FolderPictures.scan(root).open(1).size == (12, 8)

    def test_the_root_itself_may_be_a_link(self, make_tree: Make, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(make_tree({"a/1.jpg": None}))
        assert len(FolderPictures.scan(tmp_path / "link")) == 1

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("../../secret.jpg", "leads out of the folder"),
            ("/etc/hosts", "leads out of the folder"),
            ("..", "leads to a folder"),
            (".", "leads to a folder"),
            ("../b", "leads to a folder"),
            ("link.jpg", "leads in a circle"),
            ("none.jpg", "leads nowhere"),
        ],
    )
    def test_other_links_are_refused(self, make_tree: Make, tmp_path: Path, target: str, said: str) -> None:
        root = make_tree({"a/1.jpg": None, "b/1.jpg": None})
        (tmp_path / "secret.jpg").write_bytes(b"")
        (root / "a" / "link.jpg").symlink_to(target)
        with pytest.raises(DataError, match=rf"link 'a/link\.jpg' .* {said}") as caught:
            FolderPictures.scan(root)
        assert "\n" not in str(caught.value)


def test_a_pipe_named_as_a_picture_is_not_waited_for(make_tree: Make) -> None:
    root = make_tree({"a/1.jpg": None})
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes")
    os.mkfifo(root / "a" / "2.jpg")
    assert list(FolderPictures.scan(root).names) == ["a/1.jpg"]


def test_what_systems_leave_behind_is_counted(make_tree: Make, kind: str) -> None:
    clutter = ["@eaDir/a/1.jpg", "#recycle/1.jpg", "lost+found/1.jpg", "a/.thumbnails/1.jpg", "$RECYCLE.BIN/1.jpg",
               "System Volume Information/1.jpg", "a/ehthumbs.db"]  # fmt: skip
    pictures = SCANS[kind](make_tree(dict.fromkeys(["a/1.jpg", "b/1.jpg", *clutter]), kind))
    assert list(pictures.names) == ["a/1.jpg", "b/1.jpg"]
    assert pictures.ignored == 0
    assert pictures.clutter == len(clutter)


def test_a_zip_from_windows_keeps_its_classes(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for name in ("train\\cat\\1.jpg", "train\\dog\\1.jpg"):
            archive.writestr(name, picture())
        archive.writestr("empty\\", b"")
    pictures = ZipPictures.scan(tmp_path / "pets.zip")
    assert list(pictures.paths) == ["train/cat/1.jpg", "train/dog/1.jpg"]
    assert pictures.open(1).size == (12, 8)
    assert list(pictures.empty_folders) == ["empty"]


def test_of_a_picture_that_is_twice_in_a_zip_the_later_counts(
    tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("cat/1.jpg", picture(size=(3, 3)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("cat/1.jpg", picture(size=(5, 5)))
    pictures = ZipPictures.scan(tmp_path / "pets.zip")
    assert len(pictures) == 1
    assert pictures.open(0).size == (5, 5)
    assert pictures.clutter == 1
