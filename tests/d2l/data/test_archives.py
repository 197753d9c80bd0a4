"""Unpacking zips and tars: what is in them, and what is refused before anything is written."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from convnets import d2l
from convnets.d2l.data import archives
from convnets.errors import DataError

FILES = {"set/a.txt": b"a" * 3000, "set/deep/b.txt": b"b", "top.txt": b""}
Make = Callable[[Path, dict[str, bytes]], None]


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def tarred(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


ALL: list[tuple[str, Make]] = [("x.zip", zipped), ("x.tar", tarred), ("x.tar.gz", tarred), ("x.tgz", tarred)]


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(("name", "make"), ALL)
def test_what_was_packed_comes_out(name: str, make: Make, tmp_path: Path) -> None:
    make(tmp_path / name, {**FILES, "./dot.txt": b"d"})
    expected = {**FILES, "dot.txt": b"d"}
    d2l.extract(str(tmp_path / name), tmp_path / "into" / "new")
    assert unpacked(tmp_path / "into" / "new") == expected
    d2l.extract(tmp_path / name)
    d2l.extract(tmp_path / name)  # again, over what is there
    (tmp_path / name).unlink()
    assert {
        key: value for key, value in unpacked(tmp_path).items() if not key.startswith("into/")
    } == expected


def test_empty_folders_and_names_of_windows(tmp_path: Path) -> None:
    zipped(tmp_path / "x.zip", {"empty/": b"", "cats\\1.txt": b"cat"})
    d2l.extract(tmp_path / "x.zip")
    assert (tmp_path / "empty").is_dir()
    assert (tmp_path / "cats" / "1.txt").read_bytes() == b"cat"


@pytest.mark.parametrize(("name", "make"), ALL)
@pytest.mark.parametrize(
    "member", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"]
)
def test_a_path_that_leads_outside_is_refused(name: str, make: Make, member: str, tmp_path: Path) -> None:
    make(tmp_path / name, {"first.txt": b"1", member: b"2"})
    with pytest.raises(DataError, match=r"leads out of the archive; allowed: relative paths") as caught:
        d2l.extract(tmp_path / name, tmp_path / "into")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "into").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    symbolic = zipfile.ZipInfo("link")
    symbolic.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr(symbolic, "/etc")
    for name in ("x.tar", "x.zip"):
        with pytest.raises(DataError, match=f"{name}: member 'link' is a link or device; allowed: files"):
            d2l.extract(tmp_path / name)


@pytest.mark.parametrize(("name", "make"), ALL)
def test_more_than_there_is_room_for_is_refused(
    name: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_BYTES", 3000)
    make(tmp_path / name, FILES)
    with pytest.raises(DataError, match=r"unpacks to more than 3,000 bytes; allowed: .*; make room"):
        d2l.extract(tmp_path / name, tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(("name", "make"), ALL)
def test_what_is_cut_off_or_no_archive_is_told_in_one_line(name: str, make: Make, tmp_path: Path) -> None:
    path = tmp_path / name
    make(path, FILES)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 3], b"<html>log in</html>", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{name}: (not a whole archive|cannot be unpacked)") as caught:
            d2l.extract(path)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(DataError, match=f"{name}: cannot be unpacked \\(No such file"):
        d2l.extract(path)


def test_a_name_that_is_no_archives(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"x.rar is no archive by its name; allowed: .zip, .tar, .tar.gz, .tgz"
    ):
        d2l.extract(tmp_path / "x.rar")
