"""Embedding maps, linear probes and prototypes of a small trained network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA
from torch import nn

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.explanation.representations.embedding_map import map_embeddings
from convnets.explanation.representations.embedding_vectors import embedding_vectors
from convnets.explanation.representations.linear_probe import probe_stages
from convnets.explanation.representations.prototypes import find_prototypes

STAGE = "8"  # what the last linear layer of the planted network sees


def test_pca_map_is_scikit_learns_of_the_embedding(planted: Any, tmp_path: Path) -> None:
    model, images = planted.model, planted.data.test.subset(range(60))
    modes = [module.training for module in model.network.modules()]
    state = torch.get_rng_state()
    found = map_embeddings(model.network, images, model.preprocess, stage=STAGE)
    x = model.preprocess(images.pixels)
    with torch.no_grad():
        vectors = model.network[:9](x).double().numpy()
        answers = model.network(x)
    theirs = PCA(2, svd_solver="full").fit(vectors)
    assert np.allclose(np.abs(found.positions), np.abs(theirs.transform(vectors)), atol=1e-4)
    assert found.explained == pytest.approx(tuple(theirs.explained_variance_ratio_), rel=1e-4)
    assert (found.predicted == answers.argmax(1).numpy()).all()
    assert found.mistakes == int((answers.argmax(1) != images.labels).sum())
    assert [module.training for module in model.network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert json.loads(json.dumps(found.to_dict()))["images"][3]["true"] == str(int(images.labels[3]))
    with Image.open(found.save(tmp_path / "new" / "map.png")) as picture:
        assert picture.size == (2000, 1680)
    assert found.save(tmp_path / "map.svg").read_text().startswith("<svg")


def test_the_page_carries_every_picture_and_no_script(planted: Any, tmp_path: Path) -> None:
    model = planted.model
    images = planted.data.test.subset(range(30))
    named = ImageSet(images.images, images.labels, ("<b>&", "狗", "$x$", *map(str, range(7))), "a<b")
    found = map_embeddings(model.network, named, model.preprocess, stage=STAGE)
    page = found.save(tmp_path / "map.html").read_text()
    assert len(re.findall('<i tabindex="0"', page)) == 30
    assert "<script" not in page
    assert "http:" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "狗" in page
    assert page.count("data:image/png") == 1
    found.save(tmp_path / "map.png")  # names that the font lacks are no warning
    with pytest.raises(InputError, match="allowed: 3 or more"):
        map_embeddings(model.network, named.subset([0, 1]), model.preprocess, stage=STAGE)


def test_tsne_keeps_classes_together_and_repeats_itself(planted: Any) -> None:
    model, images = planted.model, planted.data.test.subset(range(80))
    maps = [
        map_embeddings(model.network, images, model.preprocess, method="tsne", stage=STAGE) for _ in range(2)
    ]
    assert np.array_equal(maps[0].positions, maps[1].positions)
    places = maps[0].positions
    nearest = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(nearest, np.inf)
    same = maps[0].labels[nearest.argmin(1)] == maps[0].labels
    assert same.mean() > 0.4  # by chance it would be a tenth
    assert maps[0].explained is None


def test_options_are_checked(planted: Any) -> None:
    model, images = planted.model, planted.data.test.subset(range(5))
    with pytest.raises(UnknownNameError, match="unknown method 'umap'"):
        map_embeddings(model.network, images, model.preprocess, method="umap")
    with pytest.raises(ConfigError, match="perplexity is 0"):
        map_embeddings(model.network, images, model.preprocess, perplexity=0)


def test_maps_become_vectors_by_their_mean(planted: Any) -> None:
    model, images = planted.model, planted.data.test.subset(range(7))
    with torch.no_grad():
        maps = model.network[:3](model.preprocess(images.pixels))
    found = embedding_vectors(model.network, images, model.preprocess, "2")
    assert torch.allclose(found, maps.mean((2, 3)), atol=1e-5)


def test_probes_rise_where_the_network_has_learned(planted: Any, tmp_path: Path) -> None:
    model, data = planted.model, planted.data
    found = probe_stages(model.network, data.train.subset(range(400)), data.test, model.preprocess)
    names = [each.stage for each in found.probes]
    assert names[0] == "pixels"
    assert names[-1] == "logits"
    assert found.probes[0].features == 64
    assert found.probes[-1].low > 0.6
    assert all(each.low <= each.accuracy <= each.high for each in found.probes)
    found.save(tmp_path / "probes.png")
    json.dumps(found.to_dict())


def test_a_probe_on_noise_tells_nothing_and_one_on_a_plain_cue_everything() -> None:
    labels = torch.arange(600) % 2
    noise = torch.randint(256, (600, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    cue = (labels * 255).to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).clone()
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(32, 2))
    preprocess = Preprocess.plain(1, 4)
    accuracies = []
    for pixels in (noise, cue):
        images = ImageSet(pixels, labels, ("a", "b"))
        found = probe_stages(
            network, images.subset(range(60)), images.subset(range(60, 600)), preprocess, stages=["pixels"]
        )
        accuracies.append(found.probes[0].accuracy)
    assert 0.4 < accuracies[0] < 0.6
    assert accuracies[1] == 1.0
    with pytest.raises(InputError, match="one class only"):
        probe_stages(network, images.subset([0, 2]), images, preprocess)


def test_prototypes_and_boundaries_by_hand(planted: Any, tmp_path: Path) -> None:
    model, images = planted.model, planted.data.test.subset(range(100))
    found = find_prototypes(model.network, images, model.preprocess, count=2, stage=STAGE)
    x = model.preprocess(images.pixels)
    with torch.no_grad():
        vectors, logits = model.network[:9](x), model.network(x).double()
    own = [place for place in range(100) if images.labels[place] == 4]
    middle = vectors[own].mean(0)
    by_hand = sorted(own, key=lambda place: float((vectors[place] - middle).norm()))[:2]
    assert found.nearest[4] == tuple(by_hand)
    best = logits.topk(2, 1).values
    margins = best[:, 0] - best[:, 1]
    assert torch.allclose(found.margins, margins, atol=1e-3)
    assert found.boundary[4] == tuple(sorted(own, key=lambda place: float(margins[place]))[:2])
    found.save(tmp_path / "prototypes.png")
    assert len(json.loads(json.dumps(found.to_dict()))["4"]["boundary"]) == 2
    with pytest.raises(ConfigError, match="count is 0"):
        find_prototypes(model.network, images, model.preprocess, count=0)
