"""ImageIndex: from pictures to hits, on disk and back, by the network that made the vectors and by no other."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from convnets.checkpoints.model_folder import CONFIG_FILE, TrainedModel, save_model
from convnets.data.image_set import Splits
from convnets.data.preprocess import Preprocess
from convnets.errors import (
    ConfigError,
    DataError,
    ImageDecodeError,
    ImageIndexError,
    InputError,
    UnknownNameError,
)
from convnets.retrieval.building.listing import list_images
from convnets.retrieval.descriptors.describe import describe, whitened
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import weights_hash
from convnets.retrieval.image_index import ImageIndex
from convnets.retrieval.storage.index_folder import MANIFEST_FILE, MODEL_FOLDER

from .conftest import identity_module, small_model, small_set


def test_vectors_are_those_of_describe_and_hits_those_of_a_float64_sort(model: TrainedModel) -> None:
    images = small_set()
    index = ImageIndex.build(model, images)
    expected = F.normalize(describe(model.network, images, model.preprocess).double())
    assert torch.allclose(index.vectors.double(), expected, atol=1e-6)
    for row in (0, 41):
        distances = (expected - expected[row]).square().sum(1).sqrt()
        hits = index.search(images.pixels[row], k=5)
        assert [hit.path for hit in hits] == [f"made up/{i}" for i in distances.argsort()[:5].tolist()]
        assert [hit.distance for hit in hits] == pytest.approx(sorted(distances.tolist())[:5], abs=1e-5)
        assert hits[0].label == ("bag", "coat")[row % 2]
        assert [hit.path for hit in index.search(index.vectors[row], k=5)] == [hit.path for hit in hits]
    assert {hit.label for hit in index.search(images.pixels[0], 50, where={"class": "coat"})} == {"coat"}


def test_saved_and_loaded_it_finds_the_same(model: TrainedModel, tmp_path: Path) -> None:
    images = small_set()
    index = ImageIndex.build(model, images, tmp_path / "index")
    again = ImageIndex.load(tmp_path / "index")
    assert torch.equal(again.vectors, index.vectors)
    query = images.pixels[3]
    assert again.search(query) == index.search(query)
    memory = ImageIndex.build(model, images)
    memory.save(tmp_path / "saved")
    assert ImageIndex.load(tmp_path / "saved").search(query) == index.search(query)
    memory.remove(["made up/3"])
    assert "made up/3" not in ImageIndex.load(tmp_path / "saved").entries


def test_adding_and_removing_reach_the_disk(model: TrainedModel, tmp_path: Path) -> None:
    index = ImageIndex.build(model, small_set(40), tmp_path / "index")
    index.add(small_set(30, seed=1, source="more"))
    index.remove(["made up/0", "more/29"])
    again = ImageIndex.load(tmp_path / "index")
    assert again.entries.paths == index.entries.paths
    assert len(again) == 68
    assert torch.equal(again.vectors, index.vectors)
    fresh = ImageIndex.build(model, small_set(30, seed=1, source="more"))
    assert torch.allclose(again.vectors[39:], fresh.vectors[:29], atol=1e-6)


@pytest.mark.parametrize("stored", ["fp32", "bf16"])
def test_vectors_lie_on_disk_as_they_are_stored(model: TrainedModel, tmp_path: Path, stored: str) -> None:
    index = ImageIndex.build(model, small_set(40), tmp_path / "index", precision=stored)
    again = ImageIndex.load(tmp_path / "index")
    assert again.stored.store.precision == stored
    assert torch.equal(again.vectors, index.vectors)
    assert again.stored.store.nbytes == 40 * index.index.dimension * (4 if stored == "fp32" else 2)


def test_the_models_hash_is_the_model_folders(model: TrainedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "model", model)
    stated = json.loads((tmp_path / "model" / CONFIG_FILE).read_text())["weights"]["sha256"]
    assert weights_hash(model.network) == stated
    ImageIndex.build(tmp_path / "model", small_set(20), tmp_path / "index")
    manifest = json.loads((tmp_path / "index" / MANIFEST_FILE).read_text())
    assert manifest["made_by"]["weights_sha256"] == stated


def test_another_network_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    ImageIndex.build(model, small_set(20), tmp_path / "index")
    assert len(ImageIndex.load(tmp_path / "index", small_model())) == 20
    with pytest.raises(
        ImageIndexError, match=r"built by another network: mlp with weights \w{12}, this is mlp"
    ):
        ImageIndex.load(tmp_path / "index", small_model(seed=1))
    other = TrainedModel(model.network, model.classes, Preprocess(1, 8, 8, (0.5,), (0.5,)))
    with pytest.raises(ImageIndexError, match="another preprocess"):
        ImageIndex.load(tmp_path / "index", other)
    save_model(tmp_path / "index" / MODEL_FOLDER, small_model(seed=1))
    with pytest.raises(ImageIndexError, match="built by another network"):
        ImageIndex.load(tmp_path / "index")


def test_the_descriptor_is_kept_with_its_whitening(model: TrainedModel, tmp_path: Path) -> None:
    images = small_set()
    descriptor = whitened(model.network, images, model.preprocess, Descriptor("pixels"), size=7)
    index = ImageIndex.build(model, images, tmp_path / "index", descriptor=descriptor)
    again = ImageIndex.load(tmp_path / "index")
    assert again.index.dimension == 7
    assert again.search(images.pixels[5]) == index.search(images.pixels[5])
    path = tmp_path / "index" / "descriptor-whitening.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ImageIndexError, match=r"descriptor-whitening\.safetensors is damaged"):
        ImageIndex.load(tmp_path / "index")


def test_a_network_from_outside_the_catalogue(tmp_path: Path) -> None:
    trained = TrainedModel(identity_module(), ("a", "b"), Preprocess.plain(1, 8))
    images = small_set(20)
    index = ImageIndex.build(trained, images, tmp_path / "index", descriptor=Descriptor("logits"))
    again = ImageIndex.load(tmp_path / "index", trained)
    assert again.search(images.pixels[0]) == index.search(images.pixels[0])
    with pytest.raises(InputError, match="TrainedModel"):
        ImageIndex.build(nn.Flatten(), images)  # type: ignore[arg-type]


def test_a_folder_is_indexed_and_broken_pictures_are_reported(
    model: TrainedModel, photographs: Path, tmp_path: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    index = ImageIndex.build(model, photographs, tmp_path / "index", progress=lambda *each: seen.append(each))
    assert len(index) == 12
    assert sorted(Path(path).name for path, _ in index.failures) == ["empty.jpg", "page.jpg"]
    assert all(reason.startswith(str(photographs)) for _, reason in index.failures)
    assert ImageIndex.load(tmp_path / "index").failures == index.failures
    assert seen[-1][1:] == (14, 14)
    path = photographs / "light" / "3.png"
    best = index.search(path, k=3)[0]
    assert (best.path, best.label, best.distance) == (str(path), "light", pytest.approx(0, abs=1e-6))
    assert index.search(path.read_bytes()) == index.search(Image.open(path)) == index.search(path)
    with pytest.raises(ImageDecodeError, match=r"empty\.jpg"):
        ImageIndex.build(model, photographs, strict=True)


def test_a_zip_and_pictures_without_classes(model: TrainedModel, photographs: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(photographs.rglob("*.png")):
            archive.write(path, path.relative_to(photographs))
    index = ImageIndex.build(model, tmp_path / "all.zip")
    assert index.entries.paths[0] == f"{tmp_path}/all.zip/dark/0.png"
    assert index.entries.row(0) == {"class": "dark"}
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(photographs / "dark" / "1.png", flat / "photo.png")
    index = ImageIndex.build(model, flat)
    assert index.search(flat / "photo.png")[0].label is None
    index.add([photographs / "dark" / "2.png", photographs / "light" / "2.png"])
    assert len(index) == 3
    (flat / "photo.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of 1 pictures can be read"):
        ImageIndex.build(model, flat)


def test_parts_of_a_data_set(model: TrainedModel) -> None:
    splits = Splits(small_set(20), test=small_set(10, seed=1))
    index = ImageIndex.build(model, splits)
    assert index.entries.columns["part"] == ["train"] * 20 + ["test"] * 10
    only = list_images(splits, "test")
    assert (len(only), only.entries.paths[0]) == (10, "made up/test/0")
    with pytest.raises(UnknownNameError, match="unknown part of made up 'tset'; nearest: test"):
        list_images(splits, "tset")


def test_adding_fails_as_a_whole(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ImageIndex.build(model, small_set(20), tmp_path / "index")
    with pytest.raises(InputError, match="in the index already"):
        index.add(small_set(30))
    assert len(index) == 20

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("convnets.retrieval.storage.index_folder.write_json", full)
        with pytest.raises(OSError, match="No space left"):
            index.add(small_set(5, seed=2, source="more"))
    assert len(index) == 20
    assert len(ImageIndex.load(tmp_path / "index")) == 20
    index.add(small_set(5, seed=2, source="more"))
    assert len(ImageIndex.load(tmp_path / "index")) == 25


def test_queries_that_do_not_fit(model: TrainedModel) -> None:
    index = ImageIndex.build(model, small_set(20))
    with pytest.raises(InputError, match="numbers each, the index holds"):
        index.search(F.normalize(torch.ones(3), dim=0))
    with pytest.raises(ConfigError, match="k is 0"):
        index.search(torch.zeros(8, 8), k=0)
    with pytest.raises(InputError, match="at least one"):
        index.search_many([])
    with pytest.raises(ImageDecodeError, match="nowhere"):
        index.search("nowhere.png")
