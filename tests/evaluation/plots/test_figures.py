"""Plots: well-formed SVG that shows the numbers, for any number of classes and any names."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.errors import UsageError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.plots.figures import confusion_svg, curve_svg, curves_svg, reliability_svg

AWKWARD = ("$x_1$ & <b>", "狗", "naïve\x00", "عربي", "bad\udc80", "long " * 20, '"quoted"', "@1@", "$")


def _rows(epochs: int) -> list[dict[str, float | None]]:
    return [
        {
            "epoch": epoch,
            "learning_rate": 0.1 / epoch,
            "train_loss": 2 / epoch,
            "train_accuracy": 1 - 0.8 / epoch,
            "validation_loss": 2.2 / epoch,
            "validation_accuracy": 0.95 - 0.8 / epoch,
            "best": float(epoch <= 3),
        }
        for epoch in range(1, epochs + 1)
    ]


def _evaluation(names: tuple[str, ...], images: int = 300) -> Evaluation:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(len(names), (images,), generator=generator)
    logits = torch.randn(images, len(names), generator=generator) + 2 * torch.eye(len(names))[labels]
    return Evaluation(logits.softmax(1), labels, names, 0.5, 1.0, "by hand")


def _texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text")]


def _size_of(svg: str, color: str) -> int:
    """How many points the longest line in a color has."""
    lines = re.findall(rf'<polyline points="([^"]*)" fill="none" stroke="{color}" stroke-width="2"', svg)
    return max((len(line.split()) for line in lines), default=0)


def test_curves_hold_a_point_for_every_epoch_and_name_their_lines() -> None:
    svg = curves_svg(_rows(7))
    texts = _texts(svg)
    for word in ("Loss", "Accuracy", "epoch", "train", "validation", "best"):
        assert word in texts
    assert _size_of(svg, "#0072b2") == _size_of(svg, "#d55e00") == 7


@pytest.mark.parametrize("measure", ["loss", "accuracy", "learning_rate"])
@pytest.mark.parametrize("epochs", [0, 1, 2, 100])
def test_single_curves_of_any_length(measure: str, epochs: int) -> None:
    svg = curve_svg(_rows(epochs), measure)
    ElementTree.fromstring(svg)
    assert _size_of(svg, "#0072b2") == epochs


def test_curves_leave_out_what_is_missing_or_not_finite() -> None:
    rows = [{**row, "validation_loss": None, "validation_accuracy": None} for row in _rows(5)]
    rows[2]["train_loss"] = float("nan")
    svg = curve_svg(rows, "loss")
    assert "validation" not in _texts(svg)
    assert _size_of(svg, "#0072b2") == 4


def test_other_measures_are_refused() -> None:
    with pytest.raises(UsageError, match="measure is 'speed'; allowed: loss, accuracy, learning_rate"):
        curve_svg(_rows(2), "speed")


def test_confusion_matrix_writes_every_count_and_every_name() -> None:
    evaluation = _evaluation(("cat", "dog", "bird"))
    texts = _texts(confusion_svg(evaluation))
    for count in evaluation.confusion.flatten().tolist():
        assert str(count) in texts
    for name in evaluation.classes:
        assert texts.count(name) == 2


def test_any_name_is_drawn_as_it_is() -> None:
    texts = _texts(confusion_svg(_evaluation(AWKWARD)))
    for name in ("$x_1$ & <b>", "狗", "naïve�", "عربي", "bad�", "long long long …", '"quoted"', "@1@", "$"):
        assert texts.count(name) == 2, name


@pytest.mark.parametrize(("classes", "names"), [(2, 2), (14, 14), (15, 15), (40, 40), (41, 0), (1000, 0)])
def test_many_classes_stay_sensible(classes: int, names: int) -> None:
    svg = confusion_svg(_evaluation(tuple(f"class-{i}" for i in range(classes))))
    assert sum(text.startswith("class-") for text in _texts(svg)) == 2 * names
    assert len(svg) < 120_000


def _matrix(svg: str) -> np.ndarray:
    data = re.search(r'href="data:image/png;base64,([^"]*)"', svg)
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGBA")).astype(float)


def test_cells_are_blue_by_recall_and_orange_by_the_root_of_their_share() -> None:
    evaluation = _evaluation(("cat", "dog", "bird"))
    cells = _matrix(confusion_svg(evaluation))
    share = evaluation.confusion.double() / evaluation.confusion.sum(1, keepdim=True)
    assert cells.shape == (3, 3, 4)
    for row in range(3):
        for column in range(3):
            expected = share[row, column] if row == column else share[row, column].sqrt()
            assert cells[row, column, 3] == pytest.approx(255 * float(expected), abs=1.01)
            assert tuple(cells[row, column, :3]) == pytest.approx(
                (0, 114, 178) if row == column else (213, 94, 0), abs=2
            )


def test_cells_of_many_classes_are_sums_over_neighbors() -> None:
    labels = torch.arange(250)
    predicted = labels.clone()
    predicted[0], predicted[1], predicted[249] = 249, 2, 0
    evaluation = Evaluation(torch.eye(250)[predicted], labels, tuple(map(str, labels.tolist())), 0.0, 0.1, "")
    cells = _matrix(confusion_svg(evaluation))[..., 3] / 255
    assert cells.shape == (84, 84)  # three classes to a cell, one in the last
    assert cells[0, 0] == pytest.approx(
        1 / 3, abs=0.01
    )  # 0 and 1 are wrong; 1 was taken for 2, in the same cell
    assert cells[0, 83] == pytest.approx((1 / 3) ** 0.5, abs=0.01)
    assert cells[83, 0] == pytest.approx(1)
    assert cells[83, 83] == 0
    assert cells.sum() == pytest.approx(82 + 1 / 3 + (1 / 3) ** 0.5 + 1, abs=0.02)


def test_reliability_has_a_bar_for_every_filled_bin() -> None:
    evaluation = _evaluation(("cat", "dog", "bird"))
    svg = reliability_svg(evaluation)
    filled = sum(each.count > 0 for each in evaluation.reliability)
    assert filled > 3
    bars = re.search(r'<g fill="#0072b2" opacity="0.85">(.*?)</g>', svg)
    assert bars is not None
    assert bars[1].count("<rect") == filled


def test_plots_repeat_themselves() -> None:
    evaluation = _evaluation(AWKWARD)
    first = [curves_svg(_rows(4)), confusion_svg(evaluation), reliability_svg(evaluation)]
    assert [curves_svg(_rows(4)), confusion_svg(evaluation), reliability_svg(evaluation)] == first
    assert all(svg.startswith('<svg role="img"') for svg in first)
