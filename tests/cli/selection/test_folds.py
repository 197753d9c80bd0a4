"""`convnets cross-validate` and `label-errors`, from folds to a corrected run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.data.sources import load_data


def test_from_folds_to_a_corrected_run(
    convnets: Callable[..., Any],
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--folds", 2, "--epochs", 1, "--threads", 1, "--precision", "fp32", "--lr", 0.01)
    made = convnets("cross-validate", "mlp", *options, "--name", "cv", "--json")
    assert made.status == 0
    assert made.json["folds"] == 2
    assert len(made.json["scores"]) == 2
    assert made.json["options"]["learning_rate"] == 0.01
    assert "holds another run" in refused(1, "cross-validate", "mlp", *options, "--name", "cv")
    again = convnets("cross-validate", "mlp", *options, "--name", "cv", "--resume", "--quiet")
    assert again.status == 0
    assert "over 2 folds" in again.out
    found = convnets("label-errors", "runs/cv", "--sheet", "e.png", "--report", "e.html", "--json")
    assert found.status == 0
    assert found.json["images"] == len(load_data("digits").train)
    assert Path("e.png").exists()
    assert Path("e.html").exists()
    shown = convnets("label-errors", "runs/cv")
    assert "written: runs/cv/label_errors.csv" in shown.out
    applied = convnets("label-errors", "runs/cv", "--apply", "runs/cv/label_errors.csv")
    assert applied.status == 0
    assert f"{len(found.json['errors']):,} images left out" in applied.out
    assert convnets("predict", "runs/cv", "e.png", "--csv").status == 0  # the ensemble
    measured = convnets("evaluate", "runs/cv", "--data", "digits", "--json")
    assert measured.json["images"] == 360
    assert convnets("index", "build", "runs/cv", "digits", "-o", "digits.index").status == 0
    assert "give some with --data" in refused(2, "evaluate", "runs/cv")
    assert "--correct without --apply" in refused(2, "label-errors", "runs/cv", "--correct")
    assert "is no cross-validation" in refused(1, "label-errors", tmp_path)
