"""mixup and CutMix against plain loops, and the distribution of what they draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.data.augmentation.mixing import CutMix, Mixing, MixOneOf, Mixup, choose_mixing, one_hot
from convnets.data.augmentation.random_params import draw_beta
from convnets.errors import ConfigError, InputError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat_batch(count: int, height: int = 10, width: int = 14) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one value each, its place in the batch, and a class of its own for each: what is in a mixed
    image, and by which share, can be read from its pixels."""
    images = torch.arange(count).double().view(-1, 1, 1, 1).expand(-1, 3, height, width)
    return images, torch.eye(count, dtype=torch.float64)


def test_mixup_mixes_pixels_and_targets_by_the_same_share() -> None:
    images = torch.rand(40, 3, 6, 5, generator=seeded(1), dtype=torch.float64)
    targets = torch.eye(40, dtype=torch.float64)
    mixed, soft = Mixup(1.0)(images, targets, seeded())
    partners = set()
    for place in range(40):
        others = [other for other in torch.nonzero(soft[place]).flatten().tolist() if other != place]
        assert len(others) <= 1
        partners.add(others[0] if others else place)
        expected = sum(soft[place, other] * images[other] for other in range(40))
        np.testing.assert_allclose(mixed[place].numpy(), expected.numpy(), atol=1e-12)
    assert len(partners) == 40  # a permutation: every image is used as often


def test_mixup_draws_each_share_from_the_beta_distribution() -> None:
    images, targets = torch.zeros(4000, 1, 1, 1), torch.eye(4000)
    _, soft = Mixup(0.5)(images, targets, seeded())
    shares = soft.diagonal()
    assert abs(shares.mean() - 0.5) < 0.02
    assert abs(shares.var() - 0.125) < 0.006  # 1 / (4 (2 alpha + 1)), closed form


@pytest.mark.parametrize("alpha", [0.001, 0.2, 1.0, 5.0, 1e6])
def test_beta_has_the_moments_of_the_closed_form(alpha: float) -> None:
    drawn = draw_beta(torch.zeros(20_000, 1, 1, 1), alpha, seeded()).flatten().double()
    assert bool(torch.isfinite(drawn).all())
    assert abs(drawn.mean() - 0.5) < 0.015
    torch.testing.assert_close(
        drawn.var(), torch.tensor(1 / (4 * (2 * alpha + 1))).double(), rtol=0.03, atol=1e-9
    )


def test_cutmix_pastes_one_rectangle_and_counts_its_pixels_exactly() -> None:
    images, targets = flat_batch(64)
    mixed, soft = CutMix(1.0)(images, targets, seeded())
    touched = 0
    for place in range(64):
        area = mixed[place, 0].numpy() != place
        assert (mixed[place] == mixed[place, :1]).all()  # the same rectangle in every channel
        if area.any():
            rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
            assert area.sum() == len(rows) * len(columns)
            assert area[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            touched += 1
        for other in range(64):
            share = Fraction(int((mixed[place, 0] == other).sum()), 140)
            assert abs(float(soft[place, other]) - float(share)) < 1e-7
    assert touched > 40


def test_cutmix_areas_follow_lambda_and_reach_every_pixel() -> None:
    images, targets = flat_batch(3000, 8, 8)
    mixed, soft = CutMix(1.0)(images, targets, seeded())
    pasted = mixed[:, 0] != images[:, 0]
    reached = pasted.double().mean(0)
    corners = reached[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.13
    assert corners.max() - corners.min() < 0.05  # no side is favored
    # 1 − λ uniform: sides √u of 8, to whole pixels; the mean area left after cutting at the border
    # from a plain simulation of the paper's procedure with its own random numbers
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(5000):
        length = round(np.sqrt(rng.uniform()) * 8)
        y, x = (math.floor(rng.uniform(0, 8) - length / 2 + 0.5) for _ in range(2))
        areas.append(
            len(set(range(8)) & set(range(y, y + length))) * len(set(range(8)) & set(range(x, x + length)))
        )
    assert abs(float(1 - soft.diagonal().mean()) - np.mean(areas) / 64) < 0.02


@pytest.mark.parametrize("mixing", [Mixup(0.4), CutMix(1.0), MixOneOf((Mixup(0.4), CutMix(1.0)))])
@given(
    count=st.integers(1, 6),
    channels=st.sampled_from([1, 3]),
    side=st.integers(1, 12),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_any_batch_stays_a_batch(mixing: Mixing, count: int, channels: int, side: int, seed: int) -> None:
    images = torch.rand(count, channels, side, side + 2, generator=seeded(seed))
    targets = torch.rand(count, 4, generator=seeded(seed + 1)).softmax(1)
    before = images.clone(), targets.clone()
    mixed, soft = mixing(images, targets, seeded(seed))
    again, soft_again = mixing(images, targets, seeded(seed))
    assert mixed.shape == images.shape
    assert mixed.dtype == images.dtype
    assert bool(((mixed >= 0) & (mixed <= 1)).all())
    torch.testing.assert_close(soft.sum(1), torch.ones(count))
    assert bool((soft >= 0).all())
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])
    assert torch.equal(mixed, again)
    assert torch.equal(soft, soft_again)


def test_mix_one_of_takes_each_about_as_often_and_one_for_the_whole_batch() -> None:
    images, targets = flat_batch(4, 16, 16)
    both = MixOneOf((Mixup(1.0), CutMix(1.0)))
    blended = 0
    for seed in range(100):
        mixed, _ = both(images, targets, seeded(seed))
        whole = bool((mixed == mixed.round()).all())  # CutMix moves pixels, mixup makes values between
        generator = seeded(seed)
        index = int(torch.randint(2, (), generator=generator))
        assert torch.equal(mixed, both.mixings[index](images, targets, generator)[0])
        blended += not whole
    assert 30 < blended < 70  # 50 ± 4 standard deviations


def test_choosing_by_strength() -> None:
    assert choose_mixing() is None
    assert choose_mixing(0.2) == Mixup(0.2)
    assert choose_mixing(cutmix=1) == CutMix(1)
    assert choose_mixing(0.2, 1.0) == MixOneOf((Mixup(0.2), CutMix(1.0)))


def test_one_hot_is_the_plain_loop() -> None:
    expected = [[1.0 if label == k else 0.0 for k in range(5)] for label in (4, 0, 2, 2)]
    assert one_hot(torch.tensor([4, 0, 2, 2]), 5).tolist() == expected


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mixup(0.0), "Mixup alpha is 0.0; allowed: a number from 0.001 to 1e\\+06"),
        (lambda: Mixup(-1), "Mixup alpha is -1"),
        (lambda: CutMix(float("nan")), "CutMix alpha is nan"),
        (lambda: choose_mixing(mixup=-0.2), "Mixup alpha is -0.2"),
        (lambda: choose_mixing(cutmix=float("inf")), "CutMix alpha is inf"),
        (lambda: MixOneOf(()), "MixOneOf got no mixings"),
    ],
)
def test_settings_that_are_not_allowed(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize("mixing", [Mixup(), CutMix()])
@pytest.mark.parametrize("targets", [torch.tensor([0, 1]), torch.eye(3), torch.eye(2).long()])
def test_targets_that_do_not_fit(mixing: Mixing, targets: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"for 2 images; allowed: float N×K, such as one_hot\(labels, K\)"):
        mixing(torch.rand(2, 1, 4, 4), targets, seeded())
