"""ONNX files give the network's answers, whatever the batch; those that would not are not left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.checkpoints.model_source import open_model
from convnets.cli.main import run as run_command
from convnets.core.hardware import choose_hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError, ModelFolderError
from convnets.evaluation.evaluate import evaluate
from convnets.models.catalogue import create_model
from convnets.serving.export import comparison
from convnets.serving.export.exported_network import FORMS, ExportedNetwork, Form
from convnets.serving.export.onnx_export import export_onnx
from convnets.serving.predictor import Predictor

CLASSES = tuple("abcdefghij")


def model(name: str = "lenet_bn", preprocess: Preprocess | None = None, **arguments: Any) -> TrainedModel:
    network = create_model(name, seed=0, **arguments)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 2, generator=generator)
    return TrainedModel(network.eval(), CLASSES, preprocess or Preprocess(1, 28, 28, (0.3,), (0.4,)))


@pytest.fixture(scope="module")
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return ImageSet(pixels, torch.arange(60) % 10, CLASSES, "noise")


@pytest.mark.parametrize("form", FORMS)
def test_the_file_answers_as_the_network_in_any_batch(form: Form, images: ImageSet, tmp_path: Path) -> None:
    trained = model()
    found = export_onnx(trained, tmp_path / "a.onnx", form=form, images=images)
    assert (found.images, found.agreement) == (60, 1.0)
    assert found.error < 1e-5
    assert found.accuracy is not None
    assert found.accuracy[0] == found.accuracy[1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]  # weights lie in it
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    reference = ExportedNetwork(trained, form).double()
    for count in (1, 2, 40):
        inputs = reference.example(count, seed=3)
        (answer,) = session.run(None, {"inputs": inputs.numpy()})
        with torch.inference_mode():
            if form == "tensor":
                expected = trained.network(inputs.double())
            else:  # written out
                unit = inputs.permute(0, 3, 1, 2).double() / 255
                expected = torch.softmax(trained.network((unit - 0.3) / 0.4), 1)
        assert np.allclose(answer, expected, atol=1e-5)
    trained.network.float()
    own = evaluate(trained, images)
    other = evaluate(tmp_path / "a.onnx", images)
    assert torch.allclose(own.probabilities, other.probabilities, atol=1e-5)
    pictures = [image[0].numpy() for image in images.images[:4]]  # type: ignore[index]
    hardware = choose_hardware("cpu", "fp32", 2)
    alone = Predictor(trained, hardware=hardware).predict(pictures)
    again = Predictor.load(tmp_path / "a.onnx", hardware=hardware).predict(pictures)
    assert [each.label for each in again] == [each.label for each in alone]
    assert again[0].confidence == pytest.approx(alone[0].confidence, abs=1e-5)


def test_a_margin_is_cropped_and_metadata_say_what_it_is(tmp_path: Path) -> None:
    trained = model("resnet20", Preprocess(3, 24, 32, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), in_channels=3)
    found = export_onnx(trained, tmp_path / "b.onnx")
    assert (found.images, found.accuracy) == (0, None)
    session = onnxruntime.InferenceSession(str(tmp_path / "b.onnx"))
    assert session.get_inputs()[0].shape[1:] == [32, 32, 3]
    known = json.loads(session.get_modelmeta().custom_metadata_map["convnets"])
    assert known["classes"] == list(CLASSES)
    assert Preprocess.from_dict(known["preprocess"]) == trained.preprocess
    pictures = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = trained.network(trained.preprocess(pictures.permute(0, 3, 1, 2))).softmax(1)
    assert np.allclose(session.run(None, {"inputs": pictures.numpy()})[0], expected, atol=1e-5)


def test_what_would_answer_otherwise_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_ALLOWED", -1.0)
    with pytest.raises(ModelFolderError, match=r"differ from the network's by .* None was written"):
        export_onnx(model("softmax"), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"does not end in \.onnx"):
        export_onnx(model("softmax"), tmp_path / "a.bin")


def test_files_that_are_not_ours_are_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="does not exist; write it with: convnets export"):
        open_model(tmp_path / "a.onnx", only_to_ask=True)
    (tmp_path / "a.onnx").write_bytes(b"x" * 50)
    with pytest.raises(ModelFolderError, match="is no ONNX file that runs here"):
        open_model(tmp_path / "a.onnx", only_to_ask=True)
    import onnx

    export_onnx(model("softmax"), tmp_path / "b.onnx")
    foreign = onnx.load(tmp_path / "b.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "c.onnx")
    with pytest.raises(ModelFolderError, match="does not say its classes"):
        open_model(tmp_path / "c.onnx", only_to_ask=True)


def test_the_command_exports_what_predict_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_model(tmp_path / "model", model("softmax"))

    def ended(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as status:
            run_command([str(each) for each in arguments])
        assert isinstance(status.value.code, int)
        return status.value.code, *capsys.readouterr()

    status, out, err = ended("export", folder, "-o", tmp_path / "m.onnx", "--json")
    assert (status, json.loads(out)["images"]) == (0, 0)
    assert "no images to compare with" in err
    from PIL import Image

    Image.new("L", (30, 40), 200).save(tmp_path / "p.png")
    assert (
        ended("predict", folder, tmp_path / "p.png")[1]
        == ended("predict", tmp_path / "m.onnx", tmp_path / "p.png")[1]
    )
    assert "allowed: onnx, pt2, hub" in ended("export", folder, "--to", "tflite")[2]
    assert "allowed: pictures, tensor" in ended("export", folder, "--input", "x")[2]
