"""`convnets draw` and `convnets field`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.training.runs.run import Run

Command = Callable[..., Any]


def test_draw(convnets: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert convnets("draw", "lenet").out == "lenet: 12 operations\npicture: lenet.svg\n"
    assert Path("lenet.svg").read_text("utf-8").startswith("<svg")
    path = tmp_path / "new" / "x.svg"
    convnets("draw", "resnet18", "-o", path, "--style", "volumes", "--input", "3x64x64")
    assert "512×2×2" in path.read_text("utf-8")
    folded = len(path.with_name("x.svg").read_text("utf-8"))
    convnets("draw", "resnet34", "-o", path, "--depth", "2", "--unfold")
    assert len(path.read_text("utf-8")) != folded


def test_draw_as_json_writes_no_picture(
    convnets: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = convnets("draw", "lenet", "--json").json
    assert [node["kind"] for node in found["nodes"]][:3] == ["input", "Conv2d", "Sigmoid"]
    assert len(found["edges"]) == 12
    assert list(tmp_path.iterdir()) == []


def test_draw_a_run(convnets: Command, digits_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.svg"
    assert convnets("draw", digits_run.path, "-o", path).out.startswith("mlp: 4 operations")
    assert "mlp, input 1×28×28" in path.read_text("utf-8")


def test_draw_refuses(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "allowed: graph, volumes" in refused(2, "draw", "lenet", "--style", "3d", "-o", tmp_path / "x.svg")
    assert "is no .svg file" in refused(2, "draw", "lenet", "-o", tmp_path / "x.png")
    assert "1 or more" in refused(2, "draw", "lenet", "--depth", 0, "-o", tmp_path / "x.svg")
    assert "28 to 31 pixels" in refused(2, "draw", "lenet", "--input", "1x10x10", "-o", tmp_path / "x.svg")
    assert list(tmp_path.iterdir()) == []


def test_field(convnets: Command) -> None:
    lines = convnets("field", "lenet").out.splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "field", "stride", "start", "padding"]
    assert lines[6].split() == ["convolutions.5", "AvgPool2d", "16×5×5", "16", "4", "-2", "10%"]
    assert lines[-2].split() == ["classifier", "Linear", "10", "32*", "4", "-2", "23%"]
    assert lines[-1] == "* larger than the image, 28×28 pixels"
    found = convnets("field", "lenet", "--json").json
    assert found[5]["axes"][0]["size"] == 16
    assert found[-1]["axes"][0]["exceeds"]


def test_effective_field(convnets: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = convnets("field", "lenet", "--layer", "convolutions.5", "--unit", "0,4").out
    assert out.startswith("convolutions.5, unit 0,4: can see 14×14 pixels")
    assert Path("lenet-convolutions.5.svg").read_text("utf-8").startswith("<svg")
    found = convnets("field", "lenet", "--layer", "convolutions.0", "--json").json
    assert sum(map(sum, found["weights"])) == pytest.approx(1)
    assert found["side_of_90_percent"] <= 5


def test_field_refuses(refused: Callable[..., str]) -> None:
    assert "belong to --layer" in refused(2, "field", "lenet", "--unit", "1,1")
    assert "nearest: convolutions.5" in refused(2, "field", "lenet", "--layer", "convolution.5")
    assert "ROW,COLUMN" in refused(2, "field", "lenet", "--layer", "convolutions.5", "--unit", "1")
    assert "is no .svg file" in refused(2, "field", "lenet", "--layer", "convolutions.5", "-o", "x.png")
