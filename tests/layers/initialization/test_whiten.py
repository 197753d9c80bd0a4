"""Whitening filters against slow float64 loops and what the formula promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.layers.initialization.whiten import whitening_filters


def smooth_images(channels: int = 1) -> Tensor:
    noise = torch.randn(40, channels, 14, 14, generator=torch.Generator().manual_seed(1))
    return F.avg_pool2d(noise, 3, stride=1) * 3 + 0.5  # neighbors resemble each other, as in pictures


def second_moments(images: Tensor, k: int) -> Tensor:
    """Σ by a loop over every patch, float64."""
    n, c, height, width = images.shape
    total, patches = torch.zeros(c * k * k, c * k * k, dtype=torch.float64), 0
    for image in images.double():
        for y in range(height - k + 1):
            for x in range(width - k + 1):
                patch = image[:, y : y + k, x : x + k].reshape(-1)
                total += torch.outer(patch, patch)
                patches += 1
    assert patches == n * (height - k + 1) * (width - k + 1)
    return total / patches


@pytest.mark.parametrize(("channels", "k"), [(1, 3), (3, 2)])
def test_filters_diagonalize_the_second_moments(channels: int, k: int) -> None:
    images = smooth_images(channels)
    filters = whitening_filters(images, k, epsilon=1e-3).double().flatten(1)
    moments = second_moments(images, k)
    values = torch.linalg.svdvals(moments)  # falls; Σ is symmetric and positive
    expected = torch.diag(values / (values + 1e-3))
    torch.testing.assert_close(filters @ moments @ filters.T, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(filters.square().sum(1), 1 / (values + 1e-3), atol=1e-4, rtol=1e-4)


def test_answers_of_a_convolution_are_uncorrelated() -> None:
    images = smooth_images()
    answers = F.conv2d(images, whitening_filters(images, 3, epsilon=0.0)).double()
    flat = answers.transpose(0, 1).flatten(1)
    torch.testing.assert_close(
        flat @ flat.T / flat.shape[1], torch.eye(9, dtype=torch.float64), atol=1e-3, rtol=0
    )


def test_the_first_of_them_and_their_signs() -> None:
    images = smooth_images()
    every, some = whitening_filters(images, 3), whitening_filters(images, 3, count=4)
    assert torch.equal(every[:4], some)
    rows = every.flatten(1)
    assert (rows.gather(1, rows.abs().argmax(1, keepdim=True)) > 0).all()
    torch.testing.assert_close(whitening_filters(-images, 3), every)


def test_images_without_variance_stay_finite() -> None:
    assert torch.isfinite(whitening_filters(torch.zeros(2, 1, 5, 5), 3)).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="at least 3×3 pixels"):
        whitening_filters(torch.zeros(1, 1, 2, 5), 3)
    with pytest.raises(InputError, match="N×C×H×W"):
        whitening_filters(torch.zeros(0, 1, 5, 5), 3)
    for count in (0, 10):
        with pytest.raises(ConfigError, match=f"is {count}; allowed: 1 to 9"):
            whitening_filters(torch.zeros(1, 1, 5, 5), 3, count)
