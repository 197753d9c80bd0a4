"""Digits, a small network trained on them, and the same with a cue planted into one class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.training.config import TrainConfig
from convnets.training.run import Run
from convnets.training.train import train

CUE_CLASS = 3
"""The class whose training pictures have the square."""
CUE = (slice(0, 2), slice(0, 2))
"""Rows and columns of the square in the 8×8 pixels of a digit, of which it takes a corner."""


@pytest.fixture(scope="session")
def digits() -> Splits:
    """scikit-learn's digits, 8×8 pixels."""
    return load_data("digits")


@dataclass(frozen=True)
class Planted:
    """A network that was shown a white square in the corner of every picture of one class, and of no other."""

    run: Run
    model: TrainedModel
    data: Splits
    """Training and test images with the square in the one class."""
    moved: ImageSet
    """Test images of other classes, with the square that says the one class."""


def with_cue(images: ImageSet, chosen: torch.Tensor) -> ImageSet:
    """A copy with the square in the chosen images, and so much noise in all that the square is the surest sign."""
    generator = torch.Generator().manual_seed(0)
    noise = 70 * torch.randn(images.pixels.shape, generator=generator)
    pixels = (0.6 * images.pixels + noise).clamp(0, 200).to(torch.uint8)
    pixels[(chosen, slice(None), *CUE)] = 255
    return ImageSet(pixels, images.labels, images.classes, "digits with a cue")


@pytest.fixture(scope="session")
def planted(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A small network trained for a few seconds; not to be changed."""
    assert digits.test is not None
    parts = [with_cue(part, part.labels == CUE_CLASS) for part in (digits.train, digits.test)]
    data = Splits(parts[0], None, parts[1])
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    folder: Path = tmp_path_factory.mktemp("planted")
    config = TrainConfig(
        epochs=6, batch_size=64, learning_rate=0.01, precision="fp32", save_every="0", fast=False
    )
    run = train(network, data, config, output=folder, name="cue", listeners=())
    others = digits.test.subset(digits.test.labels != CUE_CLASS)
    moved = with_cue(others, torch.ones(len(others), dtype=torch.bool))
    return Planted(run, run.load(network=network), data, moved)
