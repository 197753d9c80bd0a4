"""Pictures of hits, similarity maps, sheets and pages."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.preprocess import Preprocess
from convnets.errors import DataError, ImageDecodeError, InputError
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.hit import Hit
from convnets.retrieval.image_index import ImageIndex
from convnets.retrieval.results.hit_page import write_page
from convnets.retrieval.results.hit_pictures import found_rows, write_sheet
from convnets.retrieval.results.indexed_picture import IndexedPictures
from convnets.retrieval.results.similarity_map import SimilarityMapper

from ..conftest import identity_module, small_set


def _lenet() -> TrainedModel:
    return TrainedModel(create_model("lenet", seed=0), (), Preprocess.plain(1, 28))


def test_pictures_are_found_again_where_they_were_indexed(
    model: TrainedModel, photographs: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(photographs / "dark" / "2.png", "dark/2.png")
        archive.write(photographs / "light" / "2.png", "light/2.png")
    expected = np.asarray(Image.open(photographs / "dark" / "2.png"))
    for index in (ImageIndex.build(model, photographs), ImageIndex.build(model, tmp_path / "all.zip")):
        path = next(path for path in index.entries.paths if path.endswith("dark/2.png"))
        for pictures in (IndexedPictures(), IndexedPictures(index.listings)):
            assert np.array_equal(np.asarray(pictures.open(path)), expected)
    images = small_set(5)
    index = ImageIndex.build(model, images)
    found = IndexedPictures(index.listings).open("made up/3")
    assert np.array_equal(np.asarray(found), images.pixels[3, 0].numpy())


@pytest.mark.parametrize(
    "path", ["nowhere.png", "digits/test/9999", "digits/tset/1", "digits/test/x", "x\0y", "a" * 5000]
)
def test_what_is_gone_is_said(path: str) -> None:
    with pytest.raises(DataError, match="is not there"):
        IndexedPictures().open(path)
    assert IndexedPictures().try_open(path) is None


def test_a_file_that_is_no_picture(photographs: Path) -> None:
    with pytest.raises(ImageDecodeError):
        IndexedPictures().open(str(photographs / "light" / "page.jpg"))


def test_similarity_maps_are_the_best_cosine_of_each_position() -> None:
    embedder = Embedder.of(_lenet())
    pixels = small_set(2).pixels.repeat(1, 1, 4, 4)[:, 0, :28, :28].numpy()
    query, found = (Image.fromarray(each) for each in pixels)
    mapper = SimilarityMapper(embedder)
    similarities = mapper(query, found)
    with torch.no_grad():
        maps = [
            embedder.model.network.features(torch.from_numpy(each)[None, None] / 255).double()[0]
            for each in pixels
        ]
    for row in range(similarities.shape[0]):
        for column in range(similarities.shape[1]):
            best = max(
                float(F.cosine_similarity(maps[0][:, y, x], maps[1][:, row, column], dim=0))
                for y in range(maps[0].shape[1])
                for x in range(maps[0].shape[2])
            )
            assert float(similarities[row, column]) == pytest.approx(best, abs=1e-5)
    assert torch.allclose(mapper(query, query), torch.ones(similarities.shape), atol=1e-5)
    drawn = mapper.draw(found, similarities, (0.0, 1.0))
    assert (drawn.shape, drawn.dtype) == ((3, 28, 28), torch.uint8)


def test_maps_of_a_network_without_feature_maps() -> None:
    picture = Image.new("L", (8, 8))
    model = TrainedModel(identity_module(), (), Preprocess.plain(1, 8))
    with pytest.raises(InputError, match=r"has no features\(\)"):
        SimilarityMapper(Embedder.of(model, Descriptor("logits")))
    mapper = SimilarityMapper(Embedder.of(model, Descriptor("1")))
    with pytest.raises(
        InputError, match=r"gives \(5,\) for each picture; a similarity map needs feature maps"
    ):
        mapper(picture, picture)


@pytest.mark.parametrize("maps", [False, True])
def test_a_sheet_and_a_page(tmp_path: Path, maps: bool) -> None:
    index = ImageIndex.build(_lenet(), small_set(20))
    index.index.store.entries.columns["class"][0] = "<b>&"  # type: ignore[attr-defined]
    pictures = IndexedPictures(index.listings)
    queries = [("made up/0", pictures.open("made up/0")), ("made up/1", pictures.open("made up/1"))]
    found = index.search_many([each for _, each in queries], 3)
    found[1].append(Hit("gone.png", 1.5, {"class": "bag", "part": "test"}))
    rows = found_rows(queries, found, pictures, SimilarityMapper(index.embedder) if maps else None)
    assert [each is None for each in rows[1].pictures] == [False] * 3 + [True]
    sheet = write_sheet(tmp_path / "new" / "sheet.png", "Similar", ["note"], rows)
    with Image.open(sheet) as drawn:
        assert drawn.width > 5 * 112
        assert drawn.height > (4 if maps else 2) * 112
    page = write_page(tmp_path / "page.html", "Similar", {"images": "20"}, rows).read_text()
    assert page.count("<img") == (2 + 6 + 6 if maps else 2 + 6)
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&<" not in page
    assert "no longer there" in page
    assert f"{found[0][1].distance:.3f}" in page
    assert ("similarity map of" in page) == maps


def test_nothing_found_is_drawn_too(tmp_path: Path) -> None:
    rows = found_rows([("q", Image.new("L", (300, 100)))], [[]], IndexedPictures())
    write_sheet(tmp_path / "sheet.png", "Similar", [], rows)
    write_page(tmp_path / "page.html", "Similar", {}, rows)
