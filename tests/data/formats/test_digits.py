"""The digits' file, against scikit-learn's own reading and splitting of it."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from convnets.data.formats import digits
from convnets.data.formats.digits import read_digits


@pytest.mark.parametrize("found", [True, False])
def test_the_same_pictures_in_the_same_order(found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digits._file() is not None
    if not found:  # as with a version of scikit-learn that keeps its file elsewhere
        monkeypatch.setattr(digits, "_file", lambda: None)
    published = load_digits()
    pixels = torch.from_numpy(published.images).mul(255 / 16).round().to(torch.uint8)[:, None]
    labels = torch.from_numpy(published.target).long()
    expected = train_test_split(range(len(labels)), test_size=360, stratify=labels.numpy(), random_state=0)
    for (images, classes), places in zip(read_digits(360), expected, strict=True):
        assert torch.equal(images, pixels[sorted(places)])
        assert torch.equal(classes, labels[sorted(places)])
