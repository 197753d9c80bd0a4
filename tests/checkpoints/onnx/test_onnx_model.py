"""An ONNX file is asked like the model folder that it came from, and refuses in a line what it cannot do."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.checkpoints.model_source import open_model
from convnets.cli.main import run as run_command
from convnets.core.hardware import choose_hardware
from convnets.data.image_set import ImageSet, Splits
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import UsageError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.explanation.explain import explain
from convnets.models.catalogue import create_model
from convnets.selection.calibration.calibration import CALIBRATION, fit_calibration
from convnets.serving.export.exported_network import FORMS
from convnets.serving.export.onnx_export import export_onnx
from convnets.serving.http.app import create_app
from convnets.serving.http.guard import Access
from convnets.serving.http.limits import Limits
from convnets.serving.http.served_model import ServedModel
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.train import train

CPU = choose_hardware("cpu", "fp32", 2)
REFUSED = r"is an ONNX file, which only answers \(predict, evaluate, serve\); give the run or model folder"
TOLERANCE = 1e-5
"""Of a probability."""


@pytest.fixture(scope="module")
def exported(fashion_mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `model/`, trained on 6,000 real images, calibrated, beside `pictures.onnx` and `tensor.onnx`."""
    folder = tmp_path_factory.mktemp("exported")
    whole = load_data("fashion-mnist", root=fashion_mnist_root, download=False)
    assert whole.test is not None
    data = Splits(whole.train.subset(range(6000)), None, whole.test.subset(range(100)))
    run = train(
        "lenet_bn", data, TrainConfig(epochs=1, precision="fp32", threads=2), output=folder, listeners=()
    )
    trained = load_model(run.model_folder)
    held_out = whole.train.subset(range(6000, 7000))
    scores = evaluate(trained, held_out).probabilities.double().log()
    trained.metrics[CALIBRATION] = fit_calibration(scores, held_out.labels).to_dict()
    save_model(folder / "model", trained)
    for form in FORMS:
        export_onnx(trained, folder / f"{form}.onnx", form=form)
    return folder


@pytest.fixture(scope="module")
def images(fashion_mnist_root: Path) -> ImageSet:
    test = load_data("fashion-mnist", root=fashion_mnist_root, download=False).test
    assert test is not None
    return test


@pytest.fixture(scope="module")
def answers(exported: Path, images: ImageSet) -> Evaluation:
    """Of the folder, to every test image."""
    return evaluate(exported / "model", images, hardware=CPU)


@pytest.mark.parametrize("form", FORMS)
def test_answers_are_those_of_the_folder_on_every_test_image(
    exported: Path, images: ImageSet, answers: Evaluation, form: str
) -> None:
    own, other = answers, evaluate(exported / f"{form}.onnx", images, hardware=CPU)
    assert own.images == 10_000
    assert own.accuracy == other.accuracy > 0.6
    assert torch.equal(own.probabilities.argmax(1), other.probabilities.argmax(1))
    assert float((own.probabilities - other.probabilities).abs().max()) < TOLERANCE
    assert other.loss == pytest.approx(own.loss, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("views", [1, 6, 10])
def test_a_predictor_is_calibrated_abstains_and_names_what_is_possible(
    exported: Path, images: ImageSet, form: str, views: int
) -> None:
    pictures = [image[0].numpy() for image in images.images[:50]]  # type: ignore[index]
    own, other = (
        Predictor.load(exported / name, hardware=CPU, views=views, abstain=0.9, coverage=0.9).predict(
            pictures
        )
        for name in ("model", f"{form}.onnx")
    )
    assert 0 < sum(each.abstained for each in own) < 50
    for mine, theirs in zip(own, other, strict=True):
        assert (mine.label, mine.possible, mine.abstained) == (
            theirs.label,
            theirs.possible,
            theirs.abstained,
        )
        assert mine.confidence == pytest.approx(theirs.confidence, abs=TOLERANCE)


@pytest.fixture(scope="module")
def with_margin(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    """A network of 24 pixels cut from 29, and its file."""
    path = tmp_path_factory.mktemp("margin") / "a.onnx"
    network = create_model("softmax", in_channels=3, input_size=24, seed=0)
    trained = TrainedModel(network.eval(), tuple("abcdefghij"), Preprocess(3, 24, 29, (0.1,) * 3, (0.5,) * 3))
    export_onnx(trained, path)
    return trained, path


@pytest.mark.parametrize("views", [1, 2, 5, 6, 10])
def test_a_margin_is_cropped_once_in_every_view(with_margin: tuple[TrainedModel, Path], views: int) -> None:
    trained, path = with_margin
    pictures = np.random.default_rng(0).integers(0, 256, (9, 40, 33, 3), dtype=np.uint8)
    own = Predictor(trained, hardware=CPU, views=views).predict(pictures)  # type: ignore[arg-type]
    other = Predictor.load(path, hardware=CPU, views=views).predict(pictures)  # type: ignore[arg-type]
    for mine, theirs in zip(own, other, strict=True):
        assert mine.label == theirs.label
        assert mine.confidence == pytest.approx(theirs.confidence, abs=TOLERANCE)


def test_it_answers_on_the_processor_in_float32_whatever_is_asked_for(
    exported: Path, images: ImageSet
) -> None:
    bf16 = choose_hardware("cpu", "bf16", 2)
    predictor = Predictor.load(exported / "tensor.onnx", hardware=bf16)
    assert (predictor.hardware.precision, predictor.hardware.device.type) == ("fp32", "cpu")
    some = images.subset(range(100))
    alone, again = (evaluate(exported / "tensor.onnx", some, hardware=each) for each in (bf16, CPU))
    assert torch.equal(alone.probabilities, again.probabilities)


def test_what_looks_into_a_network_is_refused_in_python(exported: Path, images: ImageSet) -> None:
    path = exported / "pictures.onnx"
    for source in (path, str(path), open_model(path, only_to_ask=True)):
        with pytest.raises(UsageError, match=REFUSED):
            explain(source, images.images[:1])  # type: ignore[index]
    with pytest.raises(UsageError, match=REFUSED):
        explain(open_model(path, only_to_ask=True).network, torch.zeros(1, 1, 28, 28), 0, "gradient")


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def end(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as status:
            run_command([str(each) for each in arguments])
        assert isinstance(status.value.code, int)
        return status.value.code, *capsys.readouterr()

    return end


def test_commands_take_it_or_say_what_to_give_instead(
    exported: Path,
    ended: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fashion_mnist_root: Path,
) -> None:
    monkeypatch.setenv("CONVNETS_DATA", str(fashion_mnist_root))
    path = exported / "pictures.onnx"
    own, other = (
        ended("evaluate", each, "--data", "fashion-mnist", "--part", "test", "--precision", "fp32", "--json")
        for each in (exported / "model", path)
    )
    assert own[0] == other[0] == 0, other
    assert json.loads(own[1])["accuracy"] == json.loads(other[1])["accuracy"]
    status, _, line = ended("evaluate", path)
    assert status == 2
    assert "does not say which images it was trained on; give some with --data" in line
    monkeypatch.chdir(exported)
    for command in (
        ["explain", path, "a.png"],
        ["index", "build", path, "digits", "-o", tmp_path / "i"],
        ["features", path, "a.png"],
        ["filters", path],
        ["patches", path, "--data", "digits"],
        ["calibrate", path, "--data", "digits"],
        ["health", path],
        ["summary", "pictures.onnx"],
        ["export", path],
        ["train", "lenet_bn", "--data", "digits", "--from", path],
    ):
        status, out, line = ended(*command)
        assert (status, out, line.count("\n")) == (2, "", 1), (command, line)
        assert "give the run or model folder that it was exported from" in line
    assert path.is_file()


def test_a_server_answers_from_it_takes_another_and_refuses_the_rest(
    exported: Path, images: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes((exported / "pictures.onnx").read_bytes())
    served = ServedModel("a.onnx", path, CPU)
    png = io.BytesIO()
    Image.fromarray(images.images[0, 0].numpy()).save(png, "PNG")  # type: ignore[index]
    kind: dict[str, Any] = {"content": png.getvalue(), "headers": {"content-type": "image/png"}}
    app = create_app(
        Service({"a.onnx": served}, Limits(), RequestLog(quiet=True)), Access(hosts=("testserver",))
    )
    with TestClient(app) as client:  # type: ignore[arg-type]
        answer = client.post("/predict", **kind).json()
        (alone,) = Predictor.load(exported / "model", hardware=CPU).predict(png.getvalue())
        assert answer["predictions"][0]["label"] == alone.label
        assert answer["predictions"][0]["confidence"] == pytest.approx(alone.confidence, abs=TOLERANCE)
        assert client.get("/models").json()["models"][0]["network"] == "lenet_bn"
        for route in ("/embed", "/explain"):
            refused = client.post(route, **kind)
            assert refused.status_code == 422
            assert "give the run or model folder" in refused.json()["error"]
    before = served.current.version
    assert served.reload() is None
    path.write_bytes((exported / "tensor.onnx").read_bytes())
    assert served.reload() is True
    assert served.current.version != before
    path.write_bytes(b"x")
    assert served.reload() is False
    assert "is no ONNX file that runs here" in str(served.fault)
