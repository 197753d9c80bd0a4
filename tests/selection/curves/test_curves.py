"""Learning curve and range test: laws that are known are found, and figures are those of the runs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from convnets.data.image_set import Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, InputError, TrainingError
from convnets.selection.curves.learning_curve import learning_curve
from convnets.selection.curves.power_law import fit_power_law
from convnets.selection.curves.range_test import find_learning_rate, steepest
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run

CONFIG = TrainConfig(epochs=2, batch_size=32, learning_rate=0.01, precision="fp32", threads=1)


def test_a_known_law_is_found() -> None:
    images = [500, 1000, 2000, 4000, 8000, 16_000]
    law = fit_power_law(images, [0.05 + 3 * n**-0.4 for n in images])
    assert (law.floor, law.factor, law.exponent) == (
        pytest.approx(0.05, rel=0.02), pytest.approx(3, rel=0.05), pytest.approx(0.4, rel=0.02)
    )  # fmt: skip
    generator = np.random.default_rng(0)
    noisy = [(0.05 + 3 * n**-0.4) * math.exp(0.01 * generator.normal()) for n in images]
    assert fit_power_law(images, noisy).error(64_000) == pytest.approx(0.05 + 3 * 64_000**-0.4, rel=0.1)


def test_errors_without_a_law_are_refused() -> None:
    with pytest.raises(InputError, match="do not fall"):
        fit_power_law([10, 100, 1000], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="3 or more"):
        fit_power_law([10, 100], [0.2, 0.1])


def test_the_points_are_those_of_the_runs_and_share_their_validation_images(tmp_path: Path) -> None:
    data = load_data("digits")

    class Untouchable:
        classes = data.classes

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} of the test images")

    found = learning_curve(
        "softmax", Splits(data.train, None, Untouchable()), CONFIG,  # type: ignore[arg-type]
        fractions=[0.1, 0.3, 1.0], output=tmp_path, name="c", listeners=(),
    )  # fmt: skip
    runs = [Run(tmp_path / f"c/images{point.images}") for point in found.points]
    assert [point.images for point in found.points] == [129, 388, 1293]
    assert [point.accuracy for point in found.points] == [
        run.results["validation"]["accuracy"] for run in runs
    ]
    hashes = [run.settings["data"]["content_hash"] for run in runs]
    assert len({each["validation"] for each in hashes}) == 1
    assert len({each["train"] for each in hashes}) == 3
    assert found.predict(2 * found.all_images) > found.predict(found.all_images)
    assert "twice as many" in str(found)
    found.figure().savefig(tmp_path / "curve.png")
    with pytest.raises(ConfigError, match="three or more"):
        learning_curve("softmax", data, CONFIG, fractions=[0.1, 0.2])


def test_the_steepest_place_is_before_the_smallest_loss() -> None:
    losses = [2.3, 2.3, 2.2, 1.7, 1.5, 1.45, 1.6, 1.0e3, 1.0]
    assert steepest(losses[:7]) == 2
    with pytest.raises(TrainingError, match="never falls"):
        steepest([1.0, 2.0, 3.0])


def test_rates_grow_by_one_factor_and_the_suggestion_learns(tmp_path: Path) -> None:
    found = find_learning_rate("mlp", "digits", CONFIG, steps=80)
    factors = np.diff(np.log(found.rates))
    assert factors == pytest.approx(factors[0])
    assert found.rates[0] == pytest.approx(1e-6)
    assert found.losses[0] == pytest.approx(math.log(10), abs=0.5)
    assert found.suggestion in found.rates
    assert 1e-4 < found.suggestion < 0.1
    found.figure().savefig(tmp_path / "rates.png")
    with pytest.raises(ConfigError, match="0 < low < high"):
        find_learning_rate("mlp", "digits", CONFIG, low=1, high=0.1)
