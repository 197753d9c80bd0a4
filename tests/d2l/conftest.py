"""A small set in Fashion-MNIST's place, so that listings run as they are printed, and figures that are never seen."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

from convnets import d2l
from convnets.core.seeds import generator_for
from convnets.d2l.data import data_modules, loaders
from convnets.data.image_set import ImageSet, Splits


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> Splits:
    """1,000 + 200 pictures 28×28 of ten bright bars, under Fashion-MNIST's name."""
    generator = generator_for(0, "pictures")

    def images(count: int) -> ImageSet:
        labels = torch.randint(10, (count,), generator=generator)
        pixels = torch.randint(60, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        for index, label in enumerate(labels.tolist()):
            pixels[index, 0, 2 * label + 3 : 2 * label + 6] += 150
        return ImageSet(pixels, labels, tuple("0123456789"), "bars")

    splits = Splits(images(1000), test=images(200))
    for room in (loaders, data_modules):
        monkeypatch.setattr(room, "load_data", lambda name: splits)
    return splits


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    d2l.plt.close("all")
