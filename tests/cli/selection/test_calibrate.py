"""`convnets calibrate`, and `predict` after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convnets.data.sources import load_data


def test_from_training_to_an_answer_that_is_withheld(
    convnets: Callable[..., Any], refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = ("--epochs", 2, "--calibration", 0.3, "--threads", 1, "--lr", 0.005, "-q")
    assert convnets("train", "mlp", "--name", "x", *own).status == 0
    found = convnets("calibrate", "runs/x", "--level", 0.9, "--level", 0.6, "--picture", "risk.png", "--json")
    assert found.status == 0
    assert found.json["part"] == "calibration"
    assert [each["level"] for each in found.json["decisions"]] == [0.9, 0.6]
    assert Path("risk.png").stat().st_size > 5000
    measured = convnets("calibrate", "runs/x", "--measure", "test")
    assert measured.out.startswith(
        f"temperature {found.json['temperature']:.3f}, measured on test, 360 images"
    )
    gray = Image.new("L", (8, 8), 128)
    gray.save("gray.png")
    test = load_data("digits").test
    assert test is not None
    Image.fromarray(test.pixels[0, 0].numpy()).save("digit.png")
    said = convnets("predict", "runs/x", "gray.png", "--abstain", 0.99, "--coverage", 0.9)
    assert "gray.png: don't know (" in said.out
    assert "; one of " in said.out
    assert convnets("predict", "runs/x", "gray.png", "--abstain", 0.99, "--json").json[0]["abstained"]
    assert (
        convnets("predict", "runs/x", "gray.png", "--abstain", 0.99, "--csv")
        .out.splitlines()[1]
        .startswith("gray.png,,")
    )
    assert "hundredths" in refused(2, "predict", "runs/x", "digit.png", "--abstain", 95)
