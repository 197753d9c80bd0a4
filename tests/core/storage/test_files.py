"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from convnets.core.storage.files import atomic_path, naming, sha256_of_file, write_json, write_text


def test_a_failure_keeps_the_old_file_and_leaves_no_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text(f"half of the new {1 // 0}" if temporary.write_text("half of the n") else "")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_the_target_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"


def test_what_a_rename_shows_is_on_the_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then name, then the folder that holds the name."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        fsync(handle)
        done.append(
            "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes"
        )

    def noted_replace(path: Path, target: Path) -> Path:
        done.append(f"{target.name} named")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_text(tmp_path / "x", "four")
    assert done == ["4 bytes", "x named", "folder"]
    monkeypatch.undo()


def test_an_error_that_names_no_file_gets_its_name(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: .*x'") as caught,
        atomic_path(tmp_path / "x"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == ordinary.stat().st_mode


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "x.json", {"name": "Schuhe – 鞋"})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"name": "Schuhe – 鞋"}


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "x").write_bytes(content)
    assert sha256_of_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_an_error_with_a_message_of_its_own_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^no license today$"), naming(tmp_path / "file"):
        raise OSError("no license today")


def test_a_name_that_is_no_utf8_survives_json_and_is_shown_in_text(tmp_path: Path) -> None:
    name = "caf\udce9/é🐱"  # as os.fsdecode gives a byte of Latin-1
    write_json(tmp_path / "x.json", {"source": name})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"source": name}
    write_text(tmp_path / "x.txt", name)
    assert (tmp_path / "x.txt").read_text("utf-8") == "caf\\udce9/é🐱"
