"""Predictor: the same answers as evaluate(), for pictures of any kind."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.images.folder import FolderPictures
from convnets.data.preprocess import Preprocess
from convnets.errors import (
    ConfigError,
    DataError,
    DeviceError,
    ImageDecodeError,
    InputError,
    ModelFolderError,
    TrainingError,
)
from convnets.evaluation.evaluate import evaluate
from convnets.models.catalogue import create_model
from convnets.serving.predictor import Predictor

CLASSES = ("ankle boot", "狗", "coat", "dress", "bag", "shirt")


def _network(channels: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = nn.Sequential(
            nn.Conv2d(channels, 8, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(72, 6),
        )
        network[4].weight.data.mul_(30)
    return network


def _trained(channels: int = 3, size: int = 14, resize: int = 16) -> TrainedModel:
    preprocess = Preprocess(channels, size, resize, mean=(0.45,) * channels, std=(0.25,) * channels)
    return TrainedModel(_network(channels), CLASSES, preprocess)


def _pixels(count: int, channels: int, height: int, width: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    shape = (count, channels, height, width or height)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def _pillow(pixels: Tensor) -> Image.Image:
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _distribution(prediction: object) -> dict[str, float]:
    return dict(prediction.top)  # type: ignore[attr-defined]


def _same(one: object, other: object) -> None:
    assert _distribution(one) == pytest.approx(_distribution(other), abs=1e-5)


@pytest.mark.parametrize("views", [1, 5, 10])
@pytest.mark.parametrize("channels", [1, 3])
def test_png_files_are_named_as_evaluate_names_them(tmp_path: Path, channels: int, views: int) -> None:
    trained = _trained(channels, size=14, resize=16)
    pixels = _pixels(40, channels, 16)
    paths = []
    for index, image in enumerate(pixels):
        paths.append(tmp_path / f"{index}.png")
        _pillow(image).save(paths[-1])
    images = ImageSet(pixels, torch.zeros(40, dtype=torch.int64), CLASSES, "noise")
    expected = evaluate(trained.network, images, trained.preprocess, views=views).probabilities
    predictions = Predictor(trained, views=views).predict(paths, top=len(CLASSES))
    assert len({prediction.label for prediction in predictions}) > 1
    for path, prediction, row in zip(paths, predictions, expected, strict=True):
        assert prediction.name == str(path)
        assert prediction.label == CLASSES[int(row.argmax())]
        assert prediction.confidence == pytest.approx(float(row.max()), abs=1e-5)
        assert _distribution(prediction) == pytest.approx(
            dict(zip(CLASSES, row.tolist(), strict=True)), abs=1e-5
        )
        assert prediction.error is None


@pytest.mark.parametrize("views", [1, 10])
def test_files_of_mixed_sizes_are_named_as_evaluate_names_them(tmp_path: Path, views: int) -> None:
    for index in range(12):
        _pillow(_pixels(1, 3, 20 + index, 50 - 2 * index)[0]).save(tmp_path / f"{index:02}.png")
    trained, files = _trained(3, size=14, resize=14), FolderPictures.scan(tmp_path)
    images = ImageSet(files, torch.zeros(12, dtype=torch.int64), CLASSES, "files")
    expected = evaluate(trained.network, images, trained.preprocess, views=views).probabilities
    predictions = Predictor(trained, views=views).predict([tmp_path], top=len(CLASSES))
    for prediction, row in zip(predictions, expected, strict=True):
        assert _distribution(prediction) == pytest.approx(
            dict(zip(CLASSES, row.tolist(), strict=True)), abs=1e-5
        )


def test_any_size_goes_by_short_side_and_center_as_pillow_does_it() -> None:
    trained, picture = _trained(3, size=14, resize=16), _pillow(_pixels(1, 3, 60, 90)[0])
    middle = picture.resize((24, 16), Image.Resampling.BILINEAR).crop((5, 1, 19, 15))
    x = (torch.from_numpy(np.array(middle)).permute(2, 0, 1)[None].float() / 255 - 0.45) / 0.25
    with torch.no_grad():
        expected = trained.network(x).softmax(1)[0]
    found = Predictor(trained).predict([picture], top=6)[0]
    assert _distribution(found) == pytest.approx(dict(zip(CLASSES, expected.tolist(), strict=True)), abs=2e-2)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (14, 14), (640, 480)])
@pytest.mark.parametrize("views", [1, 10])
def test_every_size_of_picture_gives_an_answer(size: tuple[int, int], views: int) -> None:
    prediction = Predictor(_trained(), views=views).predict([Image.new("RGB", size, "red")])[0]
    assert prediction.label in CLASSES
    assert sum(value for _, value in prediction.top) <= 1 + 1e-5


def test_every_form_of_a_picture_gives_the_same_answer(tmp_path: Path) -> None:
    pixels = _pixels(1, 3, 30, 40)[0]
    path, file = tmp_path / "picture.png", io.BytesIO()
    _pillow(pixels).save(path)
    _pillow(pixels).save(file, "PNG")
    with Image.open(path) as opened:
        forms = [path, str(path), file.getvalue(), _pillow(pixels), opened, pixels, pixels.float() / 255]
        predictions = Predictor(_trained()).predict(forms)
    for prediction in predictions[1:]:
        _same(prediction, predictions[0])
    names = [prediction.name for prediction in predictions]
    assert names == [str(path), str(path), "picture 2", "picture 3", str(path), "picture 5", "picture 6"]


def test_a_batch_tensor_is_a_list_of_pictures() -> None:
    predictor, pixels = Predictor(_trained()), _pixels(3, 3, 20)
    for one, other in zip(predictor.predict(pixels), predictor.predict(list(pixels)), strict=True):
        _same(one, other)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "F"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_accepted(mode: str, channels: int) -> None:
    prediction = Predictor(_trained(channels)).predict([Image.new(mode, (20, 24))])[0]
    assert prediction.label in CLASSES


def test_white_is_white_in_every_mode(tmp_path: Path) -> None:
    whites: list[Image.Image | Path] = [Image.new("RGB", (20, 20), "white")]
    whites += [
        Image.new("L", (20, 20), 255),
        Image.new("RGBA", (20, 20), (0, 0, 0, 0)),
        Image.new("1", (20, 20), 1),
    ]
    whites += [Image.new("CMYK", (20, 20), (0, 0, 0, 0)), Image.new("I;16", (20, 20), 65535)]
    predictions = Predictor(_trained()).predict(whites)
    for prediction in predictions[1:]:
        _same(prediction, predictions[0])


def test_pictures_are_turned_upright_as_files_and_in_memory(tmp_path: Path) -> None:
    upright = _pillow(_pixels(1, 3, 30, 20)[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    path = tmp_path / "turned.png"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    predictor = Predictor(_trained())
    with Image.open(path) as opened:
        predictions = predictor.predict([upright, path, opened])
    _same(predictions[1], predictions[0])
    _same(predictions[2], predictions[0])


def test_order_survives_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convnets.serving.predictor.images_at_once", lambda *args: 4)
    pictures, seen = list(_pixels(11, 3, 20)), []
    predictor = Predictor(_trained())
    predictions = predictor.predict(pictures, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 11), (8, 11), (11, 11)]
    for index, prediction in enumerate(predictions):
        assert prediction.name == f"picture {index}"
        _same(prediction, predictor.predict([pictures[index]])[0])


def test_no_pictures_give_no_predictions() -> None:
    assert Predictor(_trained()).predict([]) == []


@pytest.mark.parametrize("content", [b"", b"<!doctype html><p>404", None], ids=["empty", "html", "truncated"])
def test_a_broken_picture_is_named_or_counted(tmp_path: Path, content: bytes | None) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    _pillow(_pixels(1, 3, 64)[0]).save(good)
    bad.write_bytes(good.read_bytes()[:700] if content is None else content)
    predictor = Predictor(_trained())
    with pytest.raises(ImageDecodeError, match=r"bad\.jpg") as raised:
        predictor.predict([good, bad, good])
    assert "\n" not in str(raised.value)
    first, broken, last = predictor.predict([good, bad, good], skip_errors=True)
    assert (broken.name, broken.label, broken.confidence, broken.top) == (str(bad), None, None, ())
    assert broken.error == str(raised.value)
    _same(first, last)
    assert [each.label for each in predictor.predict([bad, bad], skip_errors=True)] == [None, None]


def test_a_missing_file_and_a_damaged_lazy_picture_are_named(tmp_path: Path) -> None:
    predictor = Predictor(_trained())
    with pytest.raises(ImageDecodeError, match=r"nothing\.png: cannot be read"):
        predictor.predict([tmp_path / "nothing.png"])
    file = io.BytesIO()
    _pillow(_pixels(1, 3, 64)[0]).save(file, "JPEG")
    with (
        Image.open(io.BytesIO(file.getvalue()[:700])) as lazy,
        pytest.raises(ImageDecodeError, match="picture 0: damaged picture"),
    ):
        predictor.predict([lazy])


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "deeper/c.png", "notes.txt", ".hidden.png", "__MACOSX/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            Image.new("RGB", (20, 20)).save(path)
    (tmp_path / "deeper" / "loop").symlink_to(tmp_path)
    names = [prediction.name for prediction in Predictor(_trained()).predict([tmp_path, tmp_path / "b.png"])]
    expected = ["a.jpg", "b.png", "deeper/c.png", "b.png"]
    assert names == [str(tmp_path / name) for name in expected]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none holds no pictures"):
        Predictor(_trained()).predict([tmp_path / "none"])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.zeros(4, 20, 20), r"shape \(4, 20, 20\); allowed: H×W or C×H×W"),
        (torch.zeros(20, 20, 3), r"H×W×C, use picture.permute"),
        (torch.zeros(3, 0, 5), "shape"),
        (torch.full((3, 20, 20), 2.0), "values from 2 to 2; allowed: 0 to 1"),
        (torch.full((3, 20, 20), torch.nan), "values from nan to nan"),
        (torch.zeros(3, 20, 20, dtype=torch.int32), r"torch.int32; allowed: uint8 .* or float"),
        (np.zeros((20, 20, 5)), r"picture 0 has shape \(20, 20, 5\); allowed: an array H×W"),
        (None, "picture 0 is a NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(picture: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        Predictor(_trained()).predict([picture])  # type: ignore[list-item]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "one",
    [Image.new("L", (9, 9)), torch.zeros(3, 9, 9), np.zeros((9, 9, 3)), io.BytesIO()],
    ids=lambda one: type(one).__name__,
)
def test_one_picture_is_a_list_of_one(one: Any) -> None:
    if isinstance(one, io.BytesIO):
        Image.new("RGB", (9, 9)).save(one, "PNG")
    predictor = Predictor(_trained())
    predictions = predictor.predict(one)
    assert len(predictions) == 1
    _same(predictions[0], predictor.predict([one])[0])


def test_top_is_cut_at_the_number_of_classes_and_checked() -> None:
    predictor = Predictor(_trained())
    assert [len(predictor.predict([torch.zeros(9, 9)], top=top)[0].top) for top in (1, 3, 99)] == [1, 3, 6]
    with pytest.raises(ConfigError, match="top is 0"):
        predictor.predict([torch.zeros(9, 9)], top=0)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="views is 4"):
        Predictor(_trained(), views=4)
    with pytest.raises(DeviceError, match="network is on cpu"):
        Predictor(_trained(), hardware=Hardware(torch.device("meta"), torch.float32, 1))
    trained = _trained()
    trained.classes = ("a", "b")
    with pytest.raises(ModelFolderError, match="tells 6 classes apart, the model names 2"):
        Predictor(trained).predict([torch.zeros(9, 9)])


def test_a_network_that_gives_nan_is_an_error() -> None:
    trained = _trained()
    trained.network[4].bias.data[0] = torch.nan  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"starts with picture 0.*learning rate"):
        Predictor(trained).predict([torch.zeros(9, 9)])


def test_the_model_folder_alone_is_enough(tmp_path: Path) -> None:
    network = create_model("lenet_bn", in_channels=1, num_classes=6, seed=3)
    trained = TrainedModel(network, CLASSES, Preprocess.plain(1, 28))
    save_model(tmp_path / "run" / "model", trained)
    pictures = list(_pixels(5, 1, 40))
    expected = Predictor(trained).predict(pictures)
    for folder in (tmp_path / "run", tmp_path / "run" / "model", str(tmp_path / "run")):
        for one, other in zip(Predictor.load(folder).predict(pictures), expected, strict=True):
            _same(one, other)
    with pytest.raises(ModelFolderError, match="does not exist"):
        Predictor.load(tmp_path / "nothing")


def test_threads_can_share_a_predictor() -> None:
    predictor, pictures = Predictor(_trained()), list(_pixels(12, 3, 24))
    expected = predictor.predict(pictures)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda picture: predictor.predict([picture])[0], pictures * 3))
    for one, other in zip(found, expected * 3, strict=True):
        _same(one, other)


def test_predictions_are_json() -> None:
    prediction = Predictor(_trained()).predict([torch.zeros(9, 9)], top=2)[0]
    values = json.loads(json.dumps(prediction.to_dict(), allow_nan=False))
    assert values["label"] == values["top"][0]["class"] == prediction.label
    assert values["confidence"] == values["top"][0]["probability"]
    assert values["error"] is None
