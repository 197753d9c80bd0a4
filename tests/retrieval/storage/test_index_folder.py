"""The index folder: killed at any write it is the index from before or after; what is damaged is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints.model_config import sealed
from convnets.checkpoints.model_folder import TrainedModel
from convnets.errors import ConvnetsError, ImageIndexError
from convnets.retrieval.building import build as building
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.image_index import ImageIndex
from convnets.retrieval.storage import index_folder
from convnets.retrieval.storage.index_folder import MANIFEST_FILE, IndexFolder

from ..conftest import killed_at, left_by_kills, small_model, small_set


@pytest.fixture
def built(model: TrainedModel, tmp_path: Path) -> Path:
    """A finished index of 40 images in segments of 10."""
    path = tmp_path / "index"
    index = ImageIndex.build(model, small_set(10), path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(index_folder, "_SMALL_SEGMENT", 5)
        for number in range(1, 4):
            index.add(small_set(10, seed=number, source=f"more {number}"))
    return path


def _left_over(path: Path) -> list[str]:
    """Files in the folder that its manifest does not name."""
    manifest = IndexFolder.open(path).manifest
    named = {name for segment in manifest.segments for name in segment.files} | set(manifest.files)
    return sorted(
        each.name
        for each in path.iterdir()
        if each.is_file() and each.name not in named and each.name not in (MANIFEST_FILE, ".lock")
    )


@pytest.mark.usefixtures("tiny_batches")
def test_a_build_killed_at_any_write_goes_on_to_the_same_index(model: TrainedModel, tmp_path: Path) -> None:
    images = small_set(36)
    whole = ImageIndex.build(model, images, tmp_path / "whole")
    path = tmp_path / "index"
    unfinished, done = 0, set()
    for step, left in enumerate(
        left_by_kills(lambda: ImageIndex.build(model, images, path), path, tmp_path / "left")
    ):
        if IndexFolder.exists(left) and IndexFolder.open(left).manifest.build:
            unfinished += 1
            done.add(IndexFolder.open(left).manifest.build["done"])
            with pytest.raises(
                ImageIndexError, match=r"unfinished: \d+ of 36 images of made up; run the same"
            ):
                ImageIndex.load(left)
        if IndexFolder.exists(left) and not IndexFolder.open(left).manifest.build:
            resumed = ImageIndex.load(left)
        else:
            resumed = ImageIndex.build(model, images, left)
        assert torch.equal(resumed.vectors, whole.vectors), step
        again = IndexFolder.open(left).read()
        assert again.entries.paths == whole.entries.paths, step
        assert torch.equal(again.all(), whole.vectors), step
        assert _left_over(left) == []
    assert unfinished > 20
    assert {0, 16, 32} <= done


@pytest.mark.usefixtures("tiny_batches")
def test_a_build_goes_on_without_describing_what_is_done(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, path = small_set(70), tmp_path / "index"
    described: list[int] = []
    take = building._take

    def stop_at_48(*given: Any) -> None:
        take(*given)
        described.append(given[1].stop)
        if len(described) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(building, "_take", stop_at_48)
    with pytest.raises(KeyboardInterrupt):
        ImageIndex.build(model, images, path)
    assert len(ImageIndex.build(model, images, path)) == 70
    assert described == [16, 32, 48, 48, 64, 70]  # the third batch was in memory only


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": small_set(71)}, "unfinished index of 70 images"),
        ({"images": small_set(70, seed=9)}, "unfinished index of 70 images"),
        ({"model": small_model(seed=5)}, "built by another network"),
        ({"precision": "bf16"}, "repeat the build that was begun"),
        ({"descriptor": Descriptor("pixels")}, "another descriptor"),
    ],
)
@pytest.mark.usefixtures("tiny_batches")
def test_an_unfinished_build_is_not_mixed_with_another(
    model: TrainedModel, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "index"
    given = {"images": small_set(70), "model": model, "precision": "fp32", "descriptor": None}

    def build(values: dict[str, Any]) -> None:
        others = {name: values[name] for name in ("precision", "descriptor")}
        ImageIndex.build(values["model"], values["images"], path, **others)

    assert not killed_at(20, lambda: build(given))
    with pytest.raises(ImageIndexError, match=message):
        build({**given, **change})
    build(given)
    with pytest.raises(ImageIndexError, match="holds a finished index of 70 images; add to it"):
        build(given)


@pytest.mark.parametrize("action", ["add", "remove"])
def test_adding_and_removing_killed_at_any_write_happen_wholly_or_not(
    built: Path, action: str, tmp_path: Path
) -> None:
    before = ImageIndex.load(built)
    gone = ["made up/3", "more 2/0", "more 2/9"]

    def change(path: Path = built) -> None:
        index = ImageIndex.load(path)
        if action == "add":
            index.add(small_set(7, seed=9, source="last"))
        else:
            index.remove(gone)

    expected = {
        "add": before.entries.paths + [f"last/{place}" for place in range(7)],
        "remove": [path for path in before.entries.paths if path not in gone],
    }[action]
    outcomes = []
    for left in left_by_kills(change, built, tmp_path / "left"):
        found = ImageIndex.load(left)
        assert found.entries.paths in (before.entries.paths, expected)
        outcomes.append(found.entries.paths == expected)
        if not outcomes[-1]:  # the next change clears away what the killed one left
            change(left)
            assert ImageIndex.load(left).entries.paths == expected
            assert _left_over(left) == []
    assert outcomes == sorted(outcomes)  # before, and from one write on after
    assert 4 < outcomes.count(False) < len(outcomes) + 1
    change()
    assert ImageIndex.load(built).entries.paths == expected


def test_two_processes_do_not_undo_each_others_changes(built: Path) -> None:
    first, second = ImageIndex.load(built), ImageIndex.load(built)
    first.add(small_set(3, seed=7, source="first"))
    for change in (
        lambda: second.add(small_set(3, seed=8, source="second")),
        lambda: second.remove(["made up/0"]),
    ):
        with pytest.raises(ImageIndexError, match="was changed by another process meanwhile"):
            change()
        assert len(second) == 40
    assert len(ImageIndex.load(built)) == 43


def test_a_flipped_byte_anywhere_is_seen(built: Path) -> None:
    files = [path for path in sorted(built.rglob("*")) if path.is_file() and path.name != ".lock"]
    assert len(files) == 11
    for path in files:
        content = path.read_bytes()
        for place in sorted({0, len(content) // 2, len(content) - 2}):
            path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
            with pytest.raises(ConvnetsError, match=path.name.replace(".", r"\.")):
                ImageIndex.load(built)
        for damaged in (content[:-2], content[: len(content) // 2], b""):
            path.write_bytes(damaged)
            with pytest.raises(ConvnetsError, match=path.name.replace(".", r"\.")):
                ImageIndex.load(built)
        path.unlink()
        with pytest.raises(ConvnetsError, match=path.name.replace(".", r"\.")):
            ImageIndex.load(built)
        path.write_bytes(content)
    assert len(ImageIndex.load(built)) == 40


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda manifest: manifest.update({key: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_set("format", "other"), "is damaged"),
        (_set("format_version", 2), "format version 2; this convnets reads 1; install a newer one"),
        (_set("format_version", None), "is damaged"),
        (_set("segments", 3), "is damaged"),
        (_set("segments", [{"number": 1}]), "is damaged"),
        (_set("dimension", 3), "the manifest says fp32 of 3"),
        (_set("precision", "int8"), "is damaged"),
        (_set("precision", "bf16"), "the manifest says bf16"),
        (_set("engine", {"kind": "magic"}), "engine 'magic'; this convnets knows exact, hnsw"),
        (_set("made_by", {}), "descriptor|another network"),
        (lambda manifest: manifest["segments"][0].update(rows=9), "the manifest says 9"),
        (lambda manifest: manifest.pop("failures"), "is damaged"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_line(
    built: Path, damage: Callable[[dict[str, Any]], Any], message: str
) -> None:
    manifest = json.loads((built / MANIFEST_FILE).read_text())
    damage(manifest)
    (built / MANIFEST_FILE).write_text(json.dumps(sealed(manifest)))
    with pytest.raises(ImageIndexError, match=message) as raised:
        ImageIndex.load(built)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff\x00", b"[" * 100_000])
def test_a_manifest_that_is_no_manifest(built: Path, content: bytes) -> None:
    (built / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(ImageIndexError, match=r"index\.json is damaged"):
        ImageIndex.load(built)


def test_places_that_are_no_index(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(ImageIndexError, match="does not exist; give the folder that"):
        ImageIndex.load(tmp_path / "nowhere")
    with pytest.raises(ImageIndexError, match=r"holds no index\.json"):
        ImageIndex.load(tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ImageIndexError, match=r"holds other files, such as 'letter\.txt'"):
        ImageIndex.build(model, small_set(10), tmp_path)
    with pytest.raises(ImageIndexError, match="is a file; choose another folder"):
        ImageIndex.build(model, small_set(10), tmp_path / "letter.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_small_segments_are_joined(model: TrainedModel, tmp_path: Path) -> None:
    index = ImageIndex.build(model, small_set(10), tmp_path / "index")
    for number in range(5):
        index.add(small_set(2, seed=number, source=f"more {number}"))
    manifest = IndexFolder.open(tmp_path / "index").manifest
    assert [segment.rows for segment in manifest.segments] == [20]
    assert torch.equal(ImageIndex.load(tmp_path / "index").vectors, index.vectors)
