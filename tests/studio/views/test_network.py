"""The routes about the network: numbers of maps, units, patches, lenses and changes, against the library and loops."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from typer.testing import CliRunner

import convnets
from convnets.cli.main import app

WHERE = {"run": "digits-0", "part": "test", "image": 5}


def _values(client: TestClient, **params: object) -> np.ndarray:  # type: ignore[type-arg]
    answer = client.get("/api/network/maps", params={**WHERE, **params})
    facts = json.loads(answer.headers["X-Array"])
    return (
        np.frombuffer(answer.content, np.float16).astype(np.float64).reshape(facts["shape"]) * facts["scale"]
    )


def _hooked(folder, path: str) -> torch.Tensor:  # type: ignore[no-untyped-def]
    model = convnets.load_model(folder)
    images = convnets.load_data("digits").test
    found: list[torch.Tensor] = []
    dict(model.network.named_modules())[path].register_forward_hook(
        lambda *given: found.append(given[2].detach())
    )
    with torch.no_grad():
        model.network(model.preprocess(images.images[5:6]))
    return found[0][0].double()


def test_maps_are_those_of_a_hook(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    graph = digits_studio.get("/api/network/graph", params={"run": "digits-0"}).json()
    node = next(each for each in graph["nodes"] if each["family"] == "convolution")
    values = _hooked(digits_runs / "digits-0" / "model", node["name"])
    sent = _values(digits_studio, node=node["index"])
    assert np.abs(sent - values.numpy()).max() <= 1e-3 * float(values.abs().max())
    found = digits_studio.get("/api/network/channels", params={**WHERE, "node": node["index"]}).json()
    assert np.allclose(found["mean"], values.flatten(1).mean(1), atol=1e-6)
    assert np.allclose(found["high"], values.flatten(1).amax(1), atol=1e-6)


def test_an_epoch_has_weights_of_its_own(digits_studio: TestClient) -> None:
    first, last = (_values(digits_studio, node=1, epoch=epoch) for epoch in (0, 2))
    assert np.abs(first - last).max() > 0.01
    refused = digits_studio.get("/api/network/maps", params={**WHERE, "node": 1, "epoch": 9})
    assert "kept: 0, 1, 2" in refused.json()["error"]


def test_a_unit_with_its_norm_and_activation(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    found = digits_studio.get("/api/network/unit", params={**WHERE, "node": 1, "unit": "2,3,3"}).json()
    steps = found["steps"]
    assert [step["kind"] for step in steps[:2]] == ["Conv2d", "BatchNorm2d"]
    for step in steps:
        assert math.isclose(step["result"], step["given"], rel_tol=1e-4, abs_tol=1e-5)
        hooked = _hooked(digits_runs / "digits-0" / "model", step["name"])
        assert math.isclose(step["result"], float(hooked[2, 3, 3]), rel_tol=1e-4, abs_tol=1e-5)
    assert found["field"]["size"] == [5, 5]


def test_the_last_unit_goes_on_to_the_softmax(digits_studio: TestClient) -> None:
    graph = digits_studio.get("/api/network/graph", params={"run": "digits-0"}).json()
    found = digits_studio.get(
        "/api/network/unit", params={**WHERE, "node": graph["output"], "unit": "4"}
    ).json()
    asked = digits_studio.get("/api/prediction", params=WHERE).json()
    assert found["steps"][-1]["kind"] == "Softmax"
    assert math.isclose(found["steps"][-1]["result"], asked["probabilities"][4], rel_tol=1e-5)


@pytest.mark.parametrize("unit", ["x", "1", "99,0,0", "0,0,-1"])
def test_a_unit_that_is_not_there(digits_studio: TestClient, unit: str) -> None:
    answer = digits_studio.get("/api/network/unit", params={**WHERE, "node": 1, "unit": unit})
    assert answer.status_code == 422 or answer.json().get("problem")


def test_boxes_are_those_of_convnets_field(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    run = digits_runs / "digits-0"
    said = CliRunner().invoke(app, ["field", str(run), "--json"])
    rows = {row["name"]: row for row in json.loads(said.stdout)}
    graph = digits_studio.get("/api/network/graph", params={"run": "digits-0"}).json()
    compared = 0
    for node in graph["nodes"]:
        if node["name"] in rows and node["field"]:
            compared += 1
            assert node["field"] == [axis["size"] for axis in rows[node["name"]]["axes"]]
    assert compared >= 4


def test_patches_name_images_of_the_part(digits_studio: TestClient, digits_runs) -> None:  # type: ignore[no-untyped-def]
    params = {"run": "digits-0", "part": "test", "node": 1, "channel": 1, "images": 100}
    found = digits_studio.get("/api/network/patches", params=params).json()
    images = convnets.load_data("digits").test
    model = convnets.load_model(digits_runs / "digits-0" / "model")
    best = found["patches"][0]
    kept: list[torch.Tensor] = []
    layer = next(each for each in model.network.modules() if isinstance(each, torch.nn.Conv2d))
    layer.register_forward_hook(lambda *given: kept.append(given[2].detach()))
    with torch.no_grad():
        model.network(model.preprocess(images.images[best["image"]][None]))
    row, column = best["position"]
    assert math.isclose(float(kept[0][0, 1, row, column]), best["value"], rel_tol=1e-4)
    assert math.isclose(float(kept[0][0, 1].max()), best["value"], rel_tol=1e-4)


def test_a_lens_that_the_network_has_not(digits_studio: TestClient) -> None:
    answer = digits_studio.get("/api/network/lens", params={**WHERE, "kind": "residual"})
    assert answer.status_code == 422
    assert "resnet" in answer.json()["error"]


NETWORKS = [
    "softmax",
    "lenet",
    "lenet_bn",
    "alexnet_d2l",
    "vgg11_quarter",
    "nin",
    "googlenet",
    "resnet18_d2l",
]


@pytest.mark.parametrize(
    "name", [*NETWORKS, "densenet_d2l", "alexnet", "resnet20", "resnet18_small", "densenet_bc100"]
)
def test_sizes_are_those_of_summary_sizes(digits_studio: TestClient, name: str) -> None:
    sizes = [8, 28, 33] if name == "densenet_bc100" else [8, 28, 33, 96, 224, 256]
    words = ",".join(map(str, sizes))
    said = CliRunner().invoke(app, ["summary", name, "--sizes", words, "--json"])
    assert said.exit_code == 0, said.output
    rows = json.loads(said.stdout)["rows"]
    found = digits_studio.post("/api/network/what-if", json={"network": name, "sizes": sizes}).json()
    assert len(rows) == len(found["rows"]) == len(sizes)
    for mine, other in zip(found["rows"], rows, strict=True):
        for key in ("output_shape", "macs", "breaks_at"):
            assert mine[key] == other[key], (name, key, mine, other)


def test_a_wider_layer_changes_those_after_it(digits_studio: TestClient) -> None:
    edits = [{"layer": "convolutions.0", "out_channels": 12}]
    found = digits_studio.post("/api/network/what-if", json={"run": "digits-0", "edits": edits}).json()
    plain = convnets.create_model("lenet_bn")
    assert found["problem"] is None
    weights = sum(each.numel() for each in plain.parameters())
    # 6 more filters of 5×5 and their biases, their norms, and 6 more input channels for each of the 16 filters
    assert found["parameters"] - weights == 6 * 25 + 6 + 12 + 6 * 25 * 16
    changed = {each["layer"] for each in found["changes"]}
    assert "convolutions.0" in changed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"run": "digits-0", "size": 4}, "got"),
        ({"run": "digits-0", "edits": [{"layer": "nowhere", "stride": 2}]}, "nowhere"),
        ({"run": "digits-0", "edits": [{"layer": "convolutions.0", "strides": 2}]}, "strides"),
        ({"run": "digits-0", "edits": [{"layer": "convolutions.0", "stride": 0}]}, "allowed"),
        ({"run": "digits-0", "edits": [{"layer": "convolutions.2", "stride": 2}]}, "which has no stride"),
        ({"run": "digits-0", "size": "large"}, "allowed: 1 to 1024"),
        ({"network": "lenett"}, "lenet"),
    ],
)
def test_what_breaks_is_named(digits_studio: TestClient, given: dict[str, object], said: str) -> None:
    found = digits_studio.post("/api/network/what-if", json=given).json()
    assert said in (found.get("problem") or found.get("error"))
