"""Programs of PyTorch give the network's answers in any batch, also where this library is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets.checkpoints.model_folder import TrainedModel
from convnets.cli.main import run as run_command
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import InputError, ModelFolderError
from convnets.models.catalogue import create_model
from convnets.serving.export import comparison
from convnets.serving.export.exported_network import FORMS, ExportedNetwork, Form
from convnets.serving.export.pt2_export import export_pt2
from convnets.training.config import TrainConfig
from convnets.training.train import train

CLASSES = tuple("0123456789")


def model(name: str = "lenet_bn") -> TrainedModel:
    return TrainedModel(create_model(name, seed=0).eval(), CLASSES, Preprocess(1, 28, 28, (0.3,), (0.4,)))


@pytest.mark.parametrize("form", FORMS)
def test_the_file_answers_as_the_network_without_this_library(
    form: Form, tmp_path: Path, warm_python: Any
) -> None:
    trained, path = model(), tmp_path / "a.pt2"
    found = export_pt2(trained, path, form=form, images=load_data("digits").test)
    assert (found.images, found.agreement, found.opset) == (360, 1.0, None)
    assert found.error < 1e-5
    reference = ExportedNetwork(trained, form)
    inputs = reference.example(5, seed=3)
    torch.save(inputs, tmp_path / "inputs.pt")
    code = f"""
import sys, torch
sys.modules["convnets"] = None
extra = {{"convnets": ""}}
program = torch.export.load({str(path)!r}, extra_files=extra)
torch.save(program.module()(torch.load({str(tmp_path / "inputs.pt")!r})), {str(tmp_path / "answers.pt")!r})
print(extra["convnets"])
"""
    about = json.loads(warm_python.run("-c", code, check=True).stdout)
    assert (about["form"], about["classes"]) == (form, list(CLASSES))
    with torch.inference_mode():
        expected = reference(inputs)
    assert torch.allclose(torch.load(tmp_path / "answers.pt"), expected, atol=1e-6)


def test_other_answers_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_ALLOWED", -1.0)
    with pytest.raises(ModelFolderError, match="None was written"):
        export_pt2(model(), tmp_path / "a.pt2")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"does not end in \.pt2"):
        export_pt2(model(), tmp_path / "a.onnx")


def test_the_command_writes_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("mlp", "digits", TrainConfig(epochs=1), output=tmp_path, name="r", listeners=())
    with pytest.raises(SystemExit) as ended:
        run_command(["export", str(run.path), "--to", "pt2"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "a program of PyTorch, input pictures, any batch size" in out
    assert "360 test images: 100.00% answered alike" in out
    assert (run.path / "model.pt2").is_file()
    with pytest.raises(SystemExit) as ended:
        run_command(["export", str(run.path), "--to", "pt3"])
    assert ended.value.code == 2
