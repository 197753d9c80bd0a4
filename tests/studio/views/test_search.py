"""The routes about similar images: hits against brute force, patches, drawings, triplets against the loss."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

import convnets
from convnets import Descriptor, TripletLoss

WHERE = {"run": "digits-0", "part": "test", "image": 4}


def _vectors(folder, descriptor: Descriptor) -> torch.Tensor:  # type: ignore[no-untyped-def]
    model, images = convnets.load_model(folder), convnets.load_data("digits").test
    return convnets.describe(model.network, images, model.preprocess, descriptor)


@pytest.mark.parametrize(("p", "pooling"), [(1, "average"), (3, "gem"), (32, "maximum")])
def test_hits_are_those_of_brute_force(
    digits_studio: TestClient, digits_runs, p: float, pooling: str
) -> None:  # type: ignore[no-untyped-def]
    descriptor = Descriptor(stage="features", pooling=pooling, p=float(p))
    vectors = _vectors(digits_runs / "digits-0" / "model", descriptor).double()
    cosines = vectors @ vectors[4]
    cosines[4] = -2
    best = cosines.argsort(descending=True)[:5]
    found = digits_studio.get("/api/search", params={**WHERE, "among": "test", "p": p, "k": 5}).json()
    assert found["among"] == 360
    assert [each["similarity"] for each in found["hits"]] == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_a_drawing_of_an_image_finds_that_image(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    model, images = convnets.load_model(digits_runs / "digits-0" / "model"), convnets.load_data("digits").test
    pixels = (
        (model.preprocess.fit(model.preprocess.to_unit(images.images[9:10])) * 255).round().to(torch.uint8)
    )
    answer = digits_studio.post(
        "/api/search/drawing", params={"run": "digits-0", "among": "test"}, content=pixels.numpy().tobytes()
    ).json()
    assert answer["hits"][0]["image"] == 9
    assert answer["hits"][0]["similarity"] > 0.999
    refused = digits_studio.post("/api/search/drawing", params={"run": "digits-0"}, content=b"1234")
    assert refused.status_code == 422
    assert "has 4 bytes" in refused.json()["error"]


def test_patches_of_an_image_match_themselves(digits_studio: TestClient) -> None:
    answer = digits_studio.get("/api/search/patches", params={**WHERE, "among": "test", "hit": 4})
    facts = json.loads(answer.headers["X-Array"])
    values = np.frombuffer(answer.content, np.float16).astype(float).reshape(facts["shape"]) * facts["scale"]
    assert np.allclose(np.diag(values), 1, atol=2e-3)
    assert facts["query"] == facts["found"]


def test_a_crop_is_another_query(digits_studio: TestClient) -> None:
    whole = digits_studio.get("/api/search", params={**WHERE, "k": 5}).json()["hits"]
    part = digits_studio.get("/api/search", params={**WHERE, "k": 5, "crop": "0,4,0,4"}).json()["hits"]
    assert [each["similarity"] for each in whole] != [each["similarity"] for each in part]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"p": 0.5}, "allowed: 1, the average"),
        ({"crop": "1,2,3"}, "top,bottom,left,right"),
        ({"crop": "0,99,0,4"}, "allowed: rows within"),
        ({"count": 1}, "allowed: 2 to 20000"),
        ({"among": "nothing"}, "nothing"),
    ],
)
def test_what_cannot_be_searched(digits_studio: TestClient, params: dict[str, object], said: str) -> None:
    answer = digits_studio.get("/api/search", params={**WHERE, **params})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_triplets_have_the_loss_of_the_triplet_loss(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    params = {"run": "digits-0", "part": "test", "miner": "semi-hard", "margin": 0.1, "batch": 40}
    found = digits_studio.get("/api/search/triplets", params=params).json()
    vectors = _vectors(digits_runs / "digits-0" / "model", Descriptor(stage="features", pooling="average"))
    labels = convnets.load_data("digits").test.labels
    chosen = torch.arange(0, 360, 9)[:40]
    loss = TripletLoss(margin=0.1, miner="semi-hard")(vectors[chosen], labels[chosen])
    assert found["loss"] == pytest.approx(float(loss), abs=1e-5)
    first = found["triplets"][0]
    assert int(labels[first["anchor"]]) == int(labels[first["positive"]]) != int(labels[first["negative"]])
    refused = digits_studio.get("/api/search/triplets", params={**params, "miner": "soft"})
    assert "semi-hard" in refused.json()["error"]
