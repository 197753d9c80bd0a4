"""Answers over HTTP are those of the library, however requests are batched and in whatever form pictures come."""

from __future__ import annotations

import base64
import io
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import convnets
from convnets.core.hardware import choose_hardware
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.image_index import ImageIndex
from convnets.serving.predictor import Predictor

from .conftest import CLASSES, make_service, served, trained

FP32 = choose_hardware("cpu", "fp32", 2)


def test_a_crowd_gets_the_answers_that_each_would_get_alone(
    folder: Path, client: TestClient, pictures: list[bytes]
) -> None:
    predictor = Predictor.load(folder, hardware=FP32)
    expected = [predictor.predict(each)[0] for each in pictures]

    def ask(place: int) -> dict[str, object]:
        answer = client.post(
            "/predict?top=10", content=pictures[place], headers={"content-type": "image/png"}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()["predictions"][0]
        return found

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(len(pictures))))
    for own, alone in zip(found, expected, strict=True):
        assert own["label"] == alone.label
        assert own["confidence"] == pytest.approx(alone.confidence, abs=1e-5)
    sizes = client.get("/metrics").text
    assert "convnets_batch_pictures_count" in sizes
    assert len({each["confidence"] for each in found}) > 30  # the pictures are told apart at all


def test_every_form_of_a_request_gives_the_same_answer(client: TestClient, pictures: list[bytes]) -> None:
    array = np.array(Image.open(io.BytesIO(pictures[3])))
    npy = io.BytesIO()
    np.save(npy, array[None, :, :, None])
    encoded = base64.b64encode(pictures[3]).decode()
    answers = [
        client.post("/predict", files=[("x", ("a.png", pictures[3], "image/png"))]),
        client.post("/predict", content=pictures[3], headers={"content-type": "image/png"}),
        client.post("/predict", content=pictures[3], headers={"content-type": "application/octet-stream"}),
        client.post("/predict", json={"pictures": [encoded]}),
        client.post("/predict", json={"pictures": ["data:image/png;base64," + encoded]}),
        client.post("/predict", content=npy.getvalue(), headers={"content-type": "application/x-npy"}),
    ]
    found = [answer.json()["predictions"][0] for answer in answers]
    assert found[0]["name"] == "a.png"
    assert all(each["top"] == found[0]["top"] for each in found)
    assert answers[0].json()["model"]["name"] == "run"
    several = client.post(
        "/predict", files=[("x", (f"{n}.png", each)) for n, each in enumerate(pictures[:5])]
    )
    assert [each["name"] for each in several.json()["predictions"]] == [f"{n}.png" for n in range(5)]


def test_vectors_maps_and_facts(folder: Path, client: TestClient, pictures: list[bytes]) -> None:
    image = {"content": pictures[0], "headers": {"content-type": "image/png"}}
    model = trained()
    embedder = Embedder(model, hardware=FP32)
    stored = model.preprocess.store(Image.open(io.BytesIO(pictures[0])))
    vector = client.post("/embed", **image).json()["vectors"][0]
    assert np.allclose(vector, embedder(stored[None])[0], atol=1e-5)
    found = client.post("/explain?target=c", **image).json()["explanations"][0]
    expected = convnets.explain(model, [pictures[0]], "c")[0]
    assert np.allclose(found["map"], expected.map, atol=1e-5)
    assert Image.open(io.BytesIO(base64.b64decode(found["overlay"]))).size == (28, 28)
    assert client.post("/explain?method=rise", **image).status_code == 422
    facts = client.get("/models").json()["models"][0]
    assert facts["classes"] == list(CLASSES)
    assert facts["input"] == {"channels": 1, "size": 28, "resize": 28}
    assert client.post("/search", **image).json()["error"].startswith("no index is served")


def test_the_open_inference_protocol_in_json_and_binary(client: TestClient, pictures: list[bytes]) -> None:
    arrays = [np.array(Image.open(io.BytesIO(each)).resize((28, 28))) for each in pictures[:3]]
    images = np.stack(arrays)[..., None]
    version = client.get("/v2/models/run").json()["versions"][0]
    assert client.get(f"/v2/models/run/versions/{version}/ready").json() == {"name": "run", "ready": True}
    assert client.get("/v2/models/run/versions/x/ready").status_code == 404
    assert client.get("/v2/models/other").status_code == 404
    tensor = {"name": "pictures", "datatype": "UINT8", "shape": list(images.shape)}
    plain = client.post(
        "/v2/models/run/infer", json={"id": "7", "inputs": [{**tensor, "data": images.tolist()}]}
    )
    answer = plain.json()
    assert (answer["id"], answer["model_version"]) == ("7", version)
    rows = np.array(answer["outputs"][0]["data"]).reshape(answer["outputs"][0]["shape"])
    assert np.allclose(rows.sum(1), 1, atol=1e-5)
    assert answer["outputs"][1]["data"] == [CLASSES[place] for place in rows.argmax(1)]

    size = {"parameters": {"binary_data_size": images.nbytes}}
    head = json.dumps({"inputs": [{**tensor, **size}], "parameters": {"binary_data_output": True}}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    binary = client.post("/v2/models/run/infer", content=head + images.tobytes(), headers=headers)
    length = int(binary.headers["inference-header-content-length"])
    outputs = json.loads(binary.content[:length])["outputs"]
    first = outputs[0]["parameters"]["binary_data_size"]
    tail = binary.content[length:]
    assert np.allclose(np.frombuffer(tail[:first], "<f4").reshape(rows.shape), rows, atol=1e-6)
    assert tail[first + 4 : first + 5].decode() == answer["outputs"][1]["data"][0]
    assert struct.unpack("<I", tail[first : first + 4]) == (1,)

    encoded = [base64.b64encode(each).decode() for each in pictures[:2]]
    files = {"inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [2], "data": encoded}]}
    named = client.post("/v2/models/run/infer", json={**files, "outputs": [{"name": "label"}]}).json()
    alone = client.post("/predict", json={"pictures": encoded}).json()["predictions"]
    assert named["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": [each["label"] for each in alone]}
    ]


def test_another_model_is_taken_without_a_lost_request_and_a_damaged_one_is_not(folder: Path) -> None:
    from convnets.checkpoints.model_folder import save_model

    service = make_service(folder)
    model = service.models["run"]
    before = model.current
    assert model.reload() is None
    save_model(folder / "model", trained(seed=1))
    assert model.reload() is True
    assert model.current.version != before.version
    (folder / "model" / "model.safetensors").write_bytes(b"x" * 100)
    assert model.reload() is False
    assert "not_reloaded" in model.facts()
    with served(service) as client:
        assert client.get("/models").json()["models"][0]["version"] == model.current.version
        assert client.get("/health/ready").json() == {"ready": True}


def test_search_answers_as_the_index_and_a_request_may_be_larger_than_a_batch(
    folder: Path, pictures: list[bytes], tmp_path: Path
) -> None:
    for place, content in enumerate(pictures[:12]):
        (tmp_path / "images" / CLASSES[place % 3]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / CLASSES[place % 3] / f"{place}.png").write_bytes(content)
    index = ImageIndex.build(trained(), tmp_path / "images", hardware=FP32)
    service = make_service(folder, batch=4)
    service.index = index
    with served(service) as client:
        files = [("x", (f"{place}.png", content)) for place, content in enumerate(pictures[:6])]
        hits = client.post("/search?k=3", files=files).json()["hits"]
        assert hits == [[hit.to_dict() for hit in each] for each in index.search_many(pictures[:6], 3)]
        assert hits[5][0]["distance"] < 1e-3  # itself
        assert client.post("/search?k=0", files=files).status_code == 422
        whole = client.post(
            "/predict", files=[("x", (f"{n}.png", each)) for n, each in enumerate(pictures[:11])]
        )
        assert len(whole.json()["predictions"]) == 11
