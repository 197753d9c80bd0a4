"""The main job on the real data: Fashion-MNIST from its published files to a network that names pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from convnets.data.sources import load_data
from convnets.recipes.catalogue import get_recipe
from convnets.serving.predictor import Predictor
from convnets.training.runs.run import Run
from convnets.training.train import train

pytestmark = pytest.mark.fashion_mnist


@pytest.fixture(scope="module")
def run(fashion_mnist_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One epoch of the best recipe."""
    recipe = get_recipe("best/lenet_bn")
    output = tmp_path_factory.mktemp("runs")
    return train(recipe.network, recipe.data, replace(recipe.config, epochs=1), output=output, listeners=())


def test_one_epoch_learns_most_of_it(run: Run) -> None:
    # 0.855 to 0.860 over three seeds; chance is 0.1, and a wrong label or pixel order leaves it there
    assert run.results["test"]["accuracy"] > 0.78
    assert run.results["validation"]["accuracy"] > 0.78
    assert run.load().preprocess.mean == pytest.approx((0.2860,), abs=1e-3)
    assert run.load().classes[9] == "Ankle boot"


def test_single_pictures_are_named_right_about_as_often(run: Run, tmp_path: Path) -> None:
    test = load_data("fashion-mnist").test
    assert test is not None
    paths = []
    for index in range(400):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(test.pixels[index, 0].numpy()).save(paths[-1])
    named = Predictor.load(run.path).predict(paths)
    right = sum(
        one.label == test.classes[int(label)] for one, label in zip(named, test.labels[:400], strict=True)
    )
    assert abs(right / 400 - run.results["test"]["accuracy"]) < 0.07  # three standard deviations of 400 draws
