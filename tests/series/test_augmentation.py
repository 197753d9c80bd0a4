"""Augmentations of series against NumPy's interpolation, and what none of them may do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets.errors import ConvnetsError
from convnets.series.augmentation import (
    SERIES_AUGMENTATIONS,
    augment_series,
    crop,
    jitter,
    scale,
    series_augmentations,
    warp,
)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SERIES_AUGMENTATIONS)
def test_each_depends_on_the_generator_alone_and_keeps_the_shape(name: str) -> None:
    x = torch.randn(6, 2, 40, generator=drawn())
    (augment,) = series_augmentations([name])
    one, same, other = augment(x, drawn(1)), augment(x, drawn(1)), augment(x, drawn(2))
    assert one.shape == x.shape
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_a_crop_is_the_line_between_steps() -> None:
    x = torch.randn(1, 1, 21, generator=drawn())
    start = float(torch.rand(1, 1, generator=drawn(3))) * (21 - 0.5 * 21)
    places = start + np.linspace(0, 0.5 * 21 - 1, 21)
    found = crop(x, drawn(3), 0.5)[0, 0].numpy()
    assert np.allclose(found, np.interp(places, np.arange(21), x[0, 0].numpy()), atol=1e-5)
    assert torch.allclose(crop(x, drawn(), 1.0), x, atol=1e-6)


def test_a_warp_keeps_the_ends_and_the_order() -> None:
    ramp = torch.arange(50.0).expand(8, 1, 50)
    found = warp(ramp, drawn(), 0.8)
    assert torch.allclose(found[..., 0], ramp[..., 0])
    assert torch.allclose(found[..., -1], ramp[..., -1], atol=1e-4)
    assert (found.diff() > 0).all()


def test_noise_has_the_spread_that_is_asked_for() -> None:
    x = torch.zeros(200, 3, 100)
    assert float(jitter(x, drawn(), 0.3).std()) == pytest.approx(0.3, rel=0.02)
    factors = scale(torch.ones(4000, 2, 5), drawn(), 0.2)
    assert torch.equal(factors, factors[..., :1].expand_as(factors))
    assert float(factors.std()) == pytest.approx(0.2, rel=0.05)


def test_words() -> None:
    x = torch.randn(2, 1, 9, generator=drawn())
    assert augment_series(x, (), drawn()) is x
    for word, message in (
        ("flip", "flip"),
        ("crop:2", "at most 1"),
        ("jitter:x", "no number"),
        ("warp:0", "above 0"),
    ):
        with pytest.raises(ConvnetsError, match=message):
            series_augmentations([word])
