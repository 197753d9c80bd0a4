"""The routes about images: counts, lists, sheets, confusion, mistakes and doubtful labels, against the library."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import convnets

WHERE = {"run": "digits-0", "part": "test"}


def _judged(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and labels of the test images, by a plain loop."""
    model, images = convnets.load_model(folder), convnets.load_data("digits").test
    with torch.no_grad():
        rows = [
            model.network(model.preprocess(images.images[i : i + 1]))[0].double().softmax(0)
            for i in range(len(images))
        ]
    return torch.stack(rows), images.labels


def test_counts_are_those_of_the_splits(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/data", params={"run": "digits-0"}).json()
    parts = {part["name"]: part for part in found["parts"]}
    assert list(parts) == ["train", "validation", "test"]
    assert parts["train"]["images"] + parts["validation"]["images"] == 1437
    counts = torch.bincount(convnets.load_data("digits").test.labels, minlength=10).tolist()
    assert parts["test"]["counts"] == counts


def test_a_picture_is_its_pixels(digits_studio: TestClient) -> None:
    answer = digits_studio.get("/api/image.png", params={**WHERE, "image": 7})
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert answer.headers["content-type"] == "image/png"
    assert (
        np.array_equal(pixels[..., 0], convnets.load_data("digits").test.images[7, 0].numpy())
        or pixels.shape[0] > 8
    )


def test_a_sheet_holds_each_image_at_its_place(digits_studio: TestClient) -> None:
    params = {**WHERE, "images": "3,9,1", "side": 28, "columns": 2}
    sheet = np.asarray(Image.open(io.BytesIO(digits_studio.get("/api/sheet.png", params=params).content)))
    assert sheet.shape == (56, 56, 3)
    for place, index in enumerate((3, 9, 1)):
        row, column = divmod(place, 2)
        one = digits_studio.get("/api/image.png", params={**WHERE, "image": index, "side": 28})
        pixels = np.asarray(Image.open(io.BytesIO(one.content)))
        assert np.array_equal(sheet[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28], pixels)


def test_a_list_of_one_class(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/list", params={**WHERE, "label": 4, "start": 2, "count": 5}).json()
    of_class = (convnets.load_data("digits").test.labels == 4).nonzero().flatten().tolist()
    assert found["images"] == of_class[2:7]
    assert found["total"] == len(of_class)


@pytest.mark.parametrize(
    ("path", "params", "said"),
    [
        ("/api/list", {"count": 100_000}, "allowed: 1 to 600"),
        ("/api/sheet.png", {"images": "1,x"}, "numbers with commas"),
        ("/api/sheet.png", {"images": "99999"}, "allowed: 0 to 359"),
        ("/api/image.png", {"image": -1}, "images 0 to 359"),
        ("/api/image.png", {"image": 1, "side": 100_000}, "allowed: 1 to 448"),
        ("/api/augmented.png", {"image": 1, "augment": "flop"}, "flip"),
        ("/api/embedding", {"count": 10**9}, "allowed: 3 to 5000"),
        ("/api/embedding", {"method": "umap"}, "pca"),
        ("/api/confusion/cell", {"label": 10, "predicted": 0}, "allowed: 0 to 9"),
        ("/api/label-errors", {"part": "train"}, "choose validation or test"),
        ("/api/list", {"part": "tests"}, "test"),
    ],
)
def test_what_cannot_be_asked(
    digits_studio: TestClient, path: str, params: dict[str, object], said: str
) -> None:
    answer = digits_studio.get(path, params={**WHERE, **params})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_the_confusion_is_that_of_a_loop_and_of_evaluate(
    digits_studio: TestClient, digits_runs: Path
) -> None:
    probabilities, labels = _judged(digits_runs / "digits-0" / "model")
    said = probabilities.argmax(1)
    matrix = np.zeros((10, 10), int)
    for label, each in zip(labels.tolist(), said.tolist(), strict=True):
        matrix[label, each] += 1
    found = digits_studio.get("/api/confusion", params=WHERE).json()
    assert found["matrix"] == matrix.tolist()
    assert found["accuracy"] == pytest.approx(float((said == labels).double().mean()))
    row, column = (int(each) for each in np.argwhere(matrix == (matrix - np.diag(np.diag(matrix))).max())[0])
    cell = digits_studio.get(
        "/api/confusion/cell", params={**WHERE, "label": row, "predicted": column}
    ).json()
    inside = {i for i in range(len(labels)) if int(labels[i]) == row and int(said[i]) == column}
    assert {each["image"] for each in cell["images"]} == inside
    assert cell["total"] == len(inside)


def test_mistakes_come_by_their_confidence(digits_studio: TestClient, digits_runs: Path) -> None:
    probabilities, labels = _judged(digits_runs / "digits-0" / "model")
    confidence, said = probabilities.max(1)
    wrong = [i for i in range(len(labels)) if int(said[i]) != int(labels[i])]
    wrong.sort(key=lambda i: -float(confidence[i]))
    found = digits_studio.get("/api/mistakes", params={**WHERE, "count": 5}).json()["images"]
    assert [each["image"] for each in found] == wrong[:5]


def test_one_image_is_answered_as_by_the_network(digits_studio: TestClient, digits_runs: Path) -> None:
    probabilities, labels = _judged(digits_runs / "digits-0" / "model")
    found = digits_studio.get("/api/prediction", params={**WHERE, "image": 11}).json()
    assert found["probabilities"] == pytest.approx(probabilities[11].tolist(), abs=1e-6)
    assert found["label"] == int(labels[11])


def test_the_map_holds_images_of_the_part(digits_studio: TestClient) -> None:
    found = digits_studio.get("/api/embedding", params={**WHERE, "count": 50}).json()
    labels = convnets.load_data("digits").test.labels
    assert len(found["images"]) == len(found["positions"]) == 50
    assert found["labels"] == [int(labels[each]) for each in found["images"]]


def test_draws_of_an_augmentation_differ(digits_studio: TestClient) -> None:
    pictures = [
        digits_studio.get("/api/augmented.png", params={**WHERE, "image": 1, "augment": words}).content
        for words in ("", "crop:4")
    ]
    plain, drawn = (np.asarray(Image.open(io.BytesIO(each))) for each in pictures)
    side = plain.shape[0] // 2
    tiles = [plain[:side, k * side : (k + 1) * side] for k in range(6)]
    assert all(np.array_equal(tiles[0], each) for each in tiles)
    assert not all(
        np.array_equal(drawn[:side, :side], drawn[:side, k * side : (k + 1) * side]) for k in range(6)
    )


def test_another_data_set_in_place_of_the_runs_own(
    studio: Callable[..., TestClient], digits_runs: Path, tmp_path: Path
) -> None:
    for name in "0123456789":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for place in range(2):
            Image.new("L", (8, 8), 20 * int(name) + place).save(tmp_path / "pictures" / name / f"{place}.png")
    with studio(digits_runs, data=str(tmp_path / "pictures")) as client:
        found = client.get("/api/data", params={"run": "digits-0"}).json()
        assert sum(part["images"] for part in found["parts"]) == 20
