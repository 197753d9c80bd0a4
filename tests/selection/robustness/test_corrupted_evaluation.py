"""Accuracy under corruptions: that of the corrupted images, and the charts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convnets.data.sources import load_data
from convnets.errors import UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.robustness.chart import corruption_sheet
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation, evaluate_corruptions
from convnets.selection.robustness.corruptions import corrupt
from convnets.selection.robustness.moves import shifted
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

DIGITS = load_data("digits").test
assert DIGITS is not None
NAMES = ("gaussian_noise", "contrast", "rotation")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(epochs=3, learning_rate=0.01, precision="fp32", threads=1)
    return train("mlp", "digits", config, output=tmp_path_factory.mktemp("run"), listeners=())


@pytest.fixture(scope="module")
def found(run: Run) -> CorruptedEvaluation:
    model = run.load()
    assert DIGITS is not None
    return evaluate_corruptions(model.network, DIGITS, model.preprocess, corruptions=NAMES, seed=3)


def test_each_figure_is_that_of_the_corrupted_images(run: Run, found: CorruptedEvaluation) -> None:
    model = run.load()
    assert DIGITS is not None
    assert found.clean == evaluate(model.network, DIGITS, model.preprocess).accuracy
    for name in NAMES:
        for severity in (1, 5):
            worse = replace(DIGITS, images=corrupt(DIGITS.pixels, name, severity, seed=3))
            expected = evaluate(model.network, worse, model.preprocess).accuracy
            assert found.accuracy[name][severity - 1] == expected
    values = [value for row in found.accuracy.values() for value in row]
    assert found.mean == pytest.approx(sum(values) / 15)


def test_consistency_under_shifts(run: Run, found: CorruptedEvaluation) -> None:
    model = run.load()
    assert DIGITS is not None

    def said(pixels: torch.Tensor) -> torch.Tensor:
        return evaluate(model.network, replace(DIGITS, images=pixels), model.preprocess).probabilities.argmax(
            1
        )

    before = said(DIGITS.pixels)
    same = []
    for down, right in ((2, 0), (-2, 0), (0, 2), (0, -2)):
        padded = torch.nn.functional.pad(DIGITS.pixels, (2, 2, 2, 2))
        moved = padded[:, :, 2 - down : 10 - down, 2 - right : 10 - right]
        assert shifted(DIGITS.pixels, down, right).equal(moved)
        same.append(float((said(moved) == before).double().mean()))
    assert found.consistency[1] == pytest.approx(sum(same) / 4)


def test_relative_error(found: CorruptedEvaluation) -> None:
    assert found.relative_error(found) == 1
    perfect = replace(found, accuracy=dict.fromkeys(NAMES, (1.0,) * 5))
    assert perfect.relative_error(found) == 0


def test_text_csv_and_pictures(found: CorruptedEvaluation, tmp_path: Path) -> None:
    assert "contrast" in str(found)
    rows = list(csv.reader(io.StringIO(found.to_csv())))
    assert [row[0] for row in rows] == ["corruption", *NAMES]
    json.dumps(found.to_dict(), allow_nan=False)
    found.figure().savefig(tmp_path / "chart.png")
    assert DIGITS is not None
    assert corruption_sheet(DIGITS.pixels[0]).draw().height > 18 * 100


def test_an_unknown_name(run: Run) -> None:
    model = run.load()
    assert DIGITS is not None
    with pytest.raises(UnknownNameError):
        evaluate_corruptions(model.network, DIGITS, model.preprocess, corruptions=["rain"])
