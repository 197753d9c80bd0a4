"""The routes that explain: maps and curves against the library, painting against the network, refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import convnets
from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.belief.curves import pixel_ranks

WHERE = {"run": "digits-0", "part": "test", "image": 6}


def _array(answer) -> tuple[np.ndarray, dict]:  # type: ignore[no-untyped-def,type-arg]
    facts = json.loads(answer.headers["X-Array"])
    kind = np.float16 if facts["dtype"] == "float16" else np.uint8
    return np.frombuffer(answer.content, kind).astype(float).reshape(facts["shape"]) * facts["scale"], facts


def _image(folder: Path, epoch: int | None = None) -> tuple[convnets.TrainedModel, torch.Tensor]:
    model = convnets.load_model(folder / "model" if epoch is None else folder / "epochs" / f"{epoch:05d}")
    return model, model.preprocess(convnets.load_data("digits").test.images[6:7])


@pytest.mark.parametrize(
    "method", ["grad-cam", "gradient", "integrated-gradients", "occlusion", "smooth-grad"]
)
def test_a_map_is_that_of_explain(digits_studio: TestClient, digits_runs: Path, method: str) -> None:
    model, image = _image(digits_runs / "digits-0")
    wanted = convnets.explain(model.network, image, target=3, contrast=5, method=method)[0]
    params = {**WHERE, "target": 3, "contrast": 5, "method": method}
    values, _ = _array(digits_studio.get("/api/explain/map", params=params))
    assert np.abs(values[0] - wanted.evidence).max() <= 1e-3 * max(1e-9, float(np.abs(wanted.evidence).max()))
    facts = digits_studio.get("/api/explain", params=params).json()
    assert facts["high"] == pytest.approx(float(wanted.map.max()), rel=1e-5, abs=1e-9)
    assert facts["target"] == 3
    assert "why 3 and not 5" in facts["words"]


def test_every_method_is_offered_and_answers_or_says_why_not(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/explain/choices", params=WHERE).json()
    assert [each["name"] for each in found["methods"]] == list(METHODS)
    for name in METHODS:
        answer = digits_studio.get("/api/explain", params={**WHERE, "method": name})
        assert answer.status_code == 200 or (
            answer.status_code == 422 and "\n" not in answer.json()["error"]
        ), name


def test_stages_are_a_map_for_each_size(digits_studio: TestClient) -> None:
    params = {**WHERE, "layer": "stages"}
    facts = digits_studio.get("/api/explain", params=params).json()
    values, _ = _array(digits_studio.get("/api/explain/map", params=params))
    assert len(values) == len(facts["layers"]) == len({tuple(shape[-2:]) for shape in facts["shapes"]}) > 1


def test_epochs_explain_one_class_with_weights_of_their_own(
    digits_studio: TestClient, digits_runs: Path
) -> None:
    values, facts = _array(digits_studio.get("/api/explain/epochs", params={**WHERE, "target": 2}))
    assert [row["epoch"] for row in facts["epochs"]] == [0, 1, 2]
    for place, row in enumerate(facts["epochs"]):
        model, image = _image(digits_runs / "digits-0", row["epoch"])
        with torch.no_grad():
            probabilities = model.network(image)[0].double().softmax(0)
        assert row["probabilities"] == pytest.approx(probabilities.tolist(), abs=1e-6)
        wanted = convnets.explain(model.network, image, target=2)[0].evidence
        assert np.abs(values[place] - wanted).max() <= 1e-3 * facts["scale"]


def test_shuffled_networks_give_other_maps(digits_studio: TestClient) -> None:
    values, facts = _array(digits_studio.get("/api/explain/trust", params={**WHERE, "steps": 3}))
    assert facts["correlations"][0] == 1
    assert len(values) == len(facts["layers"]) == 4
    from scipy.stats import spearmanr

    for place in (1, 2, 3):
        rho = spearmanr(values[0].ravel(), values[place].ravel()).statistic
        assert facts["correlations"][place] == pytest.approx(rho, abs=0.02)


def test_curves_are_those_of_a_loop(digits_studio: TestClient, digits_runs: Path) -> None:
    found = digits_studio.get("/api/explain/curves", params={**WHERE, "method": "gradient"}).json()
    model, image = _image(digits_runs / "digits-0")
    importance = convnets.explain(model.network, image, method="gradient")[0].importance.ravel()
    order = np.argsort(-importance, kind="stable")
    for place in (0, 5, 20, len(found["shares"]) - 1):
        changed = image.clone().flatten(2)
        changed[..., order[: round(found["shares"][place] * len(order))]] = 0
        with torch.no_grad():
            probability = model.network(changed.view_as(image))[0].softmax(0)[found["target"]]
        assert found["deletion"][place] == pytest.approx(float(probability), abs=1e-5)
    assert found["deletion_area"] == pytest.approx(np.trapezoid(found["deletion"], found["shares"]), abs=1e-6)
    picture = digits_studio.get("/api/explain/curve.png", params={**WHERE, "method": "gradient", "share": 1})
    pixels = np.asarray(Image.open(io.BytesIO(picture.content)))
    assert len(np.unique(pixels)) == 1  # all pixels are the mean color


@pytest.mark.parametrize("method", ["occlusion", "grad-cam"])  # whose maps have many equal values
def test_the_picture_beside_a_curve_is_the_one_that_was_judged(
    digits_studio: TestClient, digits_runs: Path, method: str
) -> None:
    found = digits_studio.get("/api/explain/curves", params={**WHERE, "method": method}).json()
    model, image = _image(digits_runs / "digits-0")
    importance = torch.as_tensor(convnets.explain(model.network, image, method=method)[0].importance)
    assert len(importance.unique()) < importance.numel()
    ranks = pixel_ranks(importance[None])[0]
    plain = digits_studio.get("/api/explain/curve.png", params={**WHERE, "method": method, "share": 0})
    whole = np.asarray(Image.open(io.BytesIO(plain.content)))[..., 0]
    for place in (5, 20, 40):
        first = ranks < round(found["shares"][place] * ranks.numel())
        with torch.no_grad():
            probability = model.network(image.masked_fill(first, 0))[0].softmax(0)[found["target"]]
        assert found["deletion"][place] == pytest.approx(float(probability), abs=1e-6)
        asked = {"method": method, "share": found["shares"][place]}
        picture = digits_studio.get("/api/explain/curve.png", params={**WHERE, **asked})
        shown = np.asarray(Image.open(io.BytesIO(picture.content)))[..., 0]
        mean = round(255 * model.preprocess.mean[0])
        assert np.array_equal(shown, np.where(first.numpy(), mean, whole))


def test_painting_is_answered_by_the_network(digits_studio: TestClient, digits_runs: Path) -> None:
    model, _ = _image(digits_runs / "digits-0")
    side = model.preprocess.size
    pixels = torch.randint(
        0, 256, (1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    found = digits_studio.post("/api/explain/paint", params=WHERE, content=pixels.numpy().tobytes()).json()
    with torch.no_grad():
        probabilities = model.network(model.preprocess(pixels[None]))[0].double().softmax(0)
    assert found["probabilities"] == pytest.approx(probabilities.tolist(), abs=1e-6)
    assert digits_studio.post("/api/explain/paint", params=WHERE, content=b"abc").status_code == 422


def test_a_picture_of_ones_own(digits_studio: TestClient, digits_runs: Path) -> None:
    content = io.BytesIO()
    Image.new("RGB", (60, 40), (200, 200, 200)).save(content, "PNG")
    values, facts = _array(
        digits_studio.post("/api/explain/upload", params={"run": "digits-0"}, content=content.getvalue())
    )
    side = _image(digits_runs / "digits-0")[0].preprocess.size
    assert facts["shape"] == [1, side, side]
    assert values.min() == values.max() == 200


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"method": "grad-camm"}, "grad-cam"),
        ({"target": 10}, "allowed: 0 to 9"),
        ({"target": 3, "contrast": 3}, "choose two classes"),
        ({"layer": "nowhere"}, "nowhere"),
        ({"target": "dog"}, "target"),
    ],
)
def test_what_cannot_be_explained(digits_studio: TestClient, params: dict[str, object], said: str) -> None:
    answer = digits_studio.get("/api/explain", params={**WHERE, **params})
    assert answer.status_code == 422
    assert said in answer.json()["error"]
