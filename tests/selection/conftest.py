"""A small cross-validation that several tests look at."""

from __future__ import annotations

import pytest

from convnets.selection.folds.cross_validate import cross_validate
from convnets.selection.folds.cross_validation import CrossValidation
from convnets.training.config import TrainConfig

CONFIG = TrainConfig(epochs=2, batch_size=64, learning_rate=0.01, precision="fp32", threads=1)


@pytest.fixture(scope="session")
def digits_folds(tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """Three folds of digits; not to be changed."""
    return cross_validate(
        "mlp", "digits", CONFIG, folds=3, output=tmp_path_factory.mktemp("folds"), name="mine", listeners=()
    )
