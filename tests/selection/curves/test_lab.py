"""The lab measures what its runs do, and bias and variance are their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convnets.data.sources import load_data
from convnets.errors import ConfigError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.selection.curves.bias_variance import bias_variance, decompose
from convnets.selection.curves.parts import open_parts
from convnets.selection.curves.regularization import Cell, RegularizationLab, regularization
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

CONFIG = TrainConfig(epochs=2, learning_rate=0.01, threads=1, precision="fp32")


def test_each_cell_is_its_runs(tmp_path: Path) -> None:
    rows, columns = ("weight_decay", (0.0, 1.0)), ("dropout", (0.0, 0.5))
    found = regularization(
        "mlp",
        "digits",
        CONFIG,
        rows=rows,
        columns=columns,
        images=200,
        output=tmp_path,
        name="lab",
        listeners=(),
    )
    parts = open_parts("digits", CONFIG)
    seen = parts.some(200, CONFIG.seed)
    assert len(seen) == found.training_images == 200
    assert [(each.row, each.column) for each in found.cells] == [(0, 0), (0, 0.5), (1, 0), (1, 0.5)]
    for each in found.cells:
        run = Run(tmp_path / "lab" / f"weight_decay{each.row:g}-dropout{each.column:g}-seed0")
        assert run.config.weight_decay == each.row
        assert run.settings["network"]["arguments"].get("dropout") == each.column
        assert list(run.settings["data"]["content_hash"].values()) == [seen.content_hash()]
        model = run.load()
        for images, accuracy in ((seen, each.training), (parts.validation, each.validation)):
            assert accuracy == evaluate(model.network, images, model.preprocess).accuracy
        assert each.gap == each.training - each.validation
    again = regularization(
        "mlp",
        "digits",
        CONFIG,
        rows=rows,
        columns=columns,
        images=200,
        seeds=2,
        output=tmp_path,
        name="lab",
        go_on=True,
        listeners=(),
    )
    first = found.cells[0]
    assert (again.cells[0].row, again.seeds) == (first.row, 2)
    assert len(list((tmp_path / "lab").glob("*-seed*"))) == 8


def made(cells: list[tuple[float, float]]) -> RegularizationLab:
    own = tuple(Cell(row, column, *cells[2 * row + column]) for row in (0, 1) for column in (0, 1))
    return RegularizationLab(("weight_decay", (0, 1)), ("dropout", (0, 1)), own, 1, 1000, 1000)


def test_verdicts_beside_the_best() -> None:
    lab = made([(1.0, 0.80), (0.95, 0.90), (0.94, 0.89), (0.6, 0.6)])
    assert [lab.verdict(each) for each in lab.cells] == [
        "overfits",
        *("as good as the best", "as good as the best"),
        "underfits",
    ]
    assert "best" in str(lab)
    assert lab.to_dict()["cells"][0]["gap"] == pytest.approx(0.2)
    shown = [text.get_text() for text in lab.figure().axes[2].texts]
    assert shown == ["20.0", "5.0", "5.0", "0.0"]


def test_bias_and_variance_of_known_answers() -> None:
    """Each set adds noise of a known spread to answers of a known bias."""
    generator = np.random.default_rng(0)
    bias, spread = 0.2, 0.1
    truth = np.eye(2)[np.zeros(4000, dtype=int)]
    noise = generator.normal(0, spread, size=(5, 4000))
    p = np.stack([np.stack([1 - bias + own, bias - own], axis=1) for own in noise])
    found = decompose(torch.from_numpy(p), torch.zeros(4000, dtype=torch.int64))
    assert found.variance == pytest.approx(2 * spread**2, rel=0.03)
    assert found.bias == pytest.approx(2 * bias**2, rel=0.03)
    slow = np.mean([[((one - y) ** 2).sum() for one, y in zip(own, truth, strict=True)] for own in p])
    assert found.error == pytest.approx(slow)
    assert found.bias + found.variance == pytest.approx(found.error)


def test_sets_have_no_image_in_common_and_widths_are_trained(tmp_path: Path) -> None:
    parts = open_parts("digits", CONFIG)
    sets = parts.disjoint(3, 100, 0)
    rows = {tuple(each.flatten().tolist()) for own in sets for each in own.pixels}
    every = {tuple(each.flatten().tolist()) for each in parts.train.pixels}
    assert rows <= every
    assert len(rows) >= 299  # digits has few equal images
    with pytest.raises(ConfigError, match="images is 1000 in each of 3 sets; allowed: 2 to "):
        parts.disjoint(3, 1000, 0)
    found = bias_variance(
        "mlp", "digits", CONFIG, widths=(1, 0.05), sets=2, images=100, output=tmp_path, name="b", listeners=()
    )
    assert found.widths == (0.05, 1)
    assert found.parameters[0] == 784 * 13 + 13 + 13 * 10 + 10
    model = [Run(tmp_path / "b" / f"width1-set{number}").load() for number in (0, 1)]
    p = torch.stack(
        [evaluate(each.network, parts.validation, each.preprocess).probabilities for each in model]
    )
    assert found.found[1] == decompose(p, parts.validation.labels)
    assert len(found.figure().axes[0].lines) == 3
    assert load_data("digits").test is not None  # which nothing here has seen


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown axis 'epochs'"):
        regularization("mlp", "digits", CONFIG, rows=("epochs", (1, 2)))
    with pytest.raises(ConfigError, match="lenet_bn has no dropout; allowed: weight_decay, l1_penalty"):
        regularization("lenet_bn", "digits", CONFIG)
    with pytest.raises(ConfigError, match="rows and columns are both dropout"):
        regularization("mlp", "digits", CONFIG, rows=("dropout", (0, 0.1)))
    with pytest.raises(ConfigError, match=r"dropout is \[0\]; allowed: two or more different values"):
        regularization("mlp", "digits", CONFIG, columns=("dropout", (0,)))
    with pytest.raises(ConfigError, match="resnet18 has no width"):
        bias_variance("resnet18", "digits", CONFIG)
    with pytest.raises(ConfigError, match="sets is 1"):
        bias_variance("mlp", "digits", CONFIG, sets=1)
    with pytest.raises(ConfigError, match="allowed: validation above 0"):
        bias_variance("mlp", "digits", TrainConfig(validation=0))
