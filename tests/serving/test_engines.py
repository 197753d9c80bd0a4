"""Engines give the same answers; the faster one is taken where it is clearly faster, and the line says both figures.

Which engine is faster differs from machine to machine, so times are given here; all else is real.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ModelFolderError, UnknownNameError, UsageError
from convnets.models.catalogue import create_model
from convnets.serving import engines
from convnets.serving.engines import choose_engine
from convnets.serving.evaluation import evaluate_model
from convnets.serving.http.pictures.picture_model import PictureModel
from convnets.serving.http.served_model import ServedModel
from convnets.serving.predictor import Predictor
from convnets.training.config import TrainConfig
from convnets.training.train import train

CPU = Hardware(torch.device("cpu"), torch.float32, threads=1)
SEEN = Preprocess(1, 28, 28, (0.3,), (0.3,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(epochs=3, learning_rate=0.01, precision="fp32", threads=1)
    return train("lenet_bn", "digits", config, output=tmp_path_factory.mktemp("run"), listeners=()).path


def give_times(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[float, float]) -> None:
    """Seconds of convnets and of onnxruntime, for each batch in turn."""
    left = list(pairs)

    def given(_calls: Any, **_more: Any) -> dict[str, float]:
        own, other = left.pop(0)
        return {"convnets": own, "onnxruntime": other}

    monkeypatch.setattr(engines, "alternating_medians", given)
    monkeypatch.setattr(engines, "_seconds", lambda *_: 1e-4)


def test_both_engines_answer_alike(folder: Path) -> None:
    pictures = load_data("digits").train.pixels[:200]
    own, other = Predictor.load(folder), Predictor.load(folder, engine="onnxruntime")
    assert (own.engine.name, other.engine.name) == ("convnets", "onnxruntime")
    names = [str(place) for place in range(200)]
    found, expected = (
        each.score([each.decode(picture, "") for picture in pictures], names) for each in (other, own)
    )
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.argmax(1).equal(expected.argmax(1))
    assert len(expected.argmax(1).unique()) == 10


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        (((2e-3, 1e-3), (64e-3, 64e-3)), "onnxruntime"),
        (((1e-3, 1e-3), (64e-3, 32e-3)), "onnxruntime"),
        (((1e-3, 1e-3), (64e-3, 61e-3)), "convnets"),  # within the noise
        (((2e-3, 1e-3), (32e-3, 64e-3)), "convnets"),
        (((1e-3, 2e-3), (32e-3, 64e-3)), "convnets"),
    ],
)
def test_auto_takes_what_is_clearly_faster_and_says_both_figures(
    times: tuple[tuple[float, float], ...], chosen: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_times(monkeypatch, *times)
    predictor = Predictor.load(folder, engine="auto")
    assert predictor.engine.name == chosen
    (a, b), (c, d) = ((1000 * own, 1000 * other) for own, other in times)
    assert str(predictor.engine) == (
        f"engine {chosen}: measured here, {a:.3g} ms with convnets and {b:.3g} ms with onnxruntime at batch 1, "
        f"{c:.3g} ms with convnets and {d:.3g} ms with onnxruntime at batch 64"
    )
    assert len(predictor.predict(torch.zeros(3, 1, 28, 28))) == 3


def test_measuring_is_real_and_leaves_the_network_as_it_was() -> None:
    network = create_model("lenet_bn", seed=0).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = choose_engine(network, SEEN, CPU, "auto").engine
    assert found.milliseconds[0].batch == 1
    assert all(0 < each.convnets < 1e4 and 0 < each.onnxruntime < 1e4 for each in found.milliseconds)
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    right = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "onnxruntime" else right(name, *more),
    )


def test_without_onnxruntime_auto_is_ours_and_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch)
    assert str(Predictor.load(folder, engine="auto").engine) == (
        "engine convnets: ONNX Runtime needs onnxruntime; install it with: pip install 'convnets[onnx]'"
    )
    with pytest.raises(UsageError, match="install it with"):
        Predictor.load(folder, engine="onnxruntime")


class Frozen(nn.Module):
    """What an export freezes: its answers depend on how many images there are."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3] * float(len(x))


class Unknown(nn.Module):
    """What no exporter can follow."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.flatten(1)[:, :3].numpy().cumsum(1))


@pytest.mark.parametrize("network", [Frozen(), Unknown()], ids=lambda each: type(each).__name__)
def test_what_onnx_cannot_hold_is_answered_by_ours(network: nn.Module) -> None:
    found = choose_engine(network.eval(), Preprocess.plain(1, 4), CPU, "auto")
    assert found.engine.name == "convnets"
    assert "ONNX" in found.engine.reason
    assert "\n" not in str(found.engine)
    with pytest.raises(ModelFolderError):
        choose_engine(network, Preprocess.plain(1, 4), CPU, "onnxruntime")


def test_another_name_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'onnx'; nearest: onnxruntime"):
        Predictor.load(folder, engine="onnx")


def test_evaluating_gives_the_same_figures(folder: Path) -> None:
    digits = load_data("digits").test
    own = evaluate_model(folder, "digits")
    other = evaluate_model(folder, "digits", engine="onnxruntime")
    assert digits is not None
    assert (own.engine.name, other.engine.name) == ("convnets", "onnxruntime")
    assert other.evaluation.accuracy == own.evaluation.accuracy
    assert other.evaluation.loss == pytest.approx(own.evaluation.loss, rel=1e-5)


def test_a_served_model_says_its_engine_and_still_gives_vectors(folder: Path) -> None:
    own = ServedModel("a", folder, CPU).current
    other = ServedModel("a", folder, CPU, engine="onnxruntime").current
    assert (own.facts()["engine"], other.facts()["engine"]) == ("convnets", "onnxruntime")
    assert own.version == other.version
    picture = torch.randint(0, 256, (1, 28, 28), dtype=torch.uint8)
    assert isinstance(own, PictureModel)
    assert isinstance(other, PictureModel)
    assert torch.allclose(own.compute([picture]), other.compute([picture]), atol=1e-5)
    assert other.embedder(picture[None]).equal(own.embedder(picture[None]))


def test_the_commands_say_which_engine_answered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    from convnets.cli.main import run

    def ended(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as status:
            run([str(each) for each in arguments])
        assert isinstance(status.value.code, int)
        return status.value.code, *capsys.readouterr()

    picture = tmp_path / "picture.png"
    Image.new("L", (28, 28), 90).save(picture)
    same = ("--precision", "fp32")  # ONNX Runtime's, also where the processor has bf16
    plain = ended("predict", folder, picture, *same)
    assert plain[0] == 0
    status, out, told = ended("predict", folder, picture, "--engine", "onnxruntime", *same)
    assert (status, out) == plain[:2]
    assert "engine onnxruntime: as asked\n" in told
    give_times(monkeypatch, (1e-3, 2e-3), (1e-3, 2e-3))
    status, _, told = ended("evaluate", folder, "--data", "digits", "--engine", "auto")
    assert status == 0
    assert "engine convnets: measured here, 1 ms with convnets and 2 ms with onnxruntime at batch 1" in told
    assert ended("evaluate", folder, "--data", "digits", "--corruptions", "--engine", "auto")[0] == 2
    assert ended("predict", folder, picture, "--engine", "fast")[0] == 2
