"""Color augmentations against Pillow's ImageEnhance, colorsys and the formulas in float64."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from convnets.data.augmentation.color import Brightness, ColorJitter, Contrast, Hue, Saturation
from convnets.data.augmentation.random_params import draw_uniform
from convnets.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bytes_as_floats(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=seeded(7)).float() / 255


@pytest.mark.parametrize(
    ("kind", "enhancer"),
    [
        (Brightness, ImageEnhance.Brightness),
        (Contrast, ImageEnhance.Contrast),
        (Saturation, ImageEnhance.Color),
    ],
)
def test_factors_act_as_in_pillow(kind: type, enhancer: type) -> None:
    images = bytes_as_floats(20, 3, 9, 11)
    changed = kind(0.8)(images, seeded(2))
    factors = draw_uniform(images, 0.2, 1.8, seeded(2)).flatten().tolist()
    assert max(factors) > 1.3
    assert min(factors) < 0.7
    for image, after, factor in zip(images, changed, factors, strict=True):
        picture = Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
        expected = np.asarray(enhancer(picture).enhance(factor)).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(
            after.numpy(), expected, atol=2.1 / 255
        )  # Pillow rounds the gray and the result


@pytest.mark.parametrize(("strength", "low", "high"), [(0.3, 0.7, 1.3), (2.0, 0.0, 3.0)])
def test_factors_span_the_strength(strength: float, low: float, high: float) -> None:
    images = torch.full((2000, 1, 2, 2), 0.25)
    factors = Brightness(strength)(images, seeded())[:, 0, 0, 0] / 0.25
    assert low <= factors.min() < low + 0.01 * (high - low)
    assert high >= factors.max() > high - 0.01 * (high - low)
    assert abs(factors.mean() - (low + high) / 2) < 0.03 * (high - low)


def test_contrast_of_gray_images_is_about_their_mean() -> None:
    images = bytes_as_floats(5, 1, 6, 6).double()
    changed = Contrast(0.5)(images, seeded(4))
    factors = draw_uniform(images, 0.5, 1.5, seeded(4)).double().numpy()
    means = np.array([[[[image.mean()]]] for image in images.numpy()])
    np.testing.assert_allclose(
        changed.numpy(), np.clip(means + factors * (images.numpy() - means), 0, 1), atol=1e-12
    )


def test_hue_turns_as_in_colorsys() -> None:
    corners = torch.tensor(list(itertools.product((0.0, 0.5, 1.0), repeat=3)))  # ties between channels, grays
    pixels = torch.cat([corners, torch.rand(37, 3, generator=seeded(1))]).double()
    images = pixels.T.reshape(1, 3, 8, 8).expand(16, -1, -1, -1)
    turned = Hue(0.5)(images, seeded(3)).flatten(2).transpose(1, 2).numpy()
    turns = draw_uniform(images, -0.5, 0.5, seeded(3)).flatten().tolist()
    assert max(turns) > 0.2 > -0.2 > min(turns)
    for turn, after in zip(turns, turned, strict=True):
        for before, color in zip(pixels.tolist(), after, strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*before)
            np.testing.assert_allclose(
                color, colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), atol=1e-9
            )


@pytest.mark.parametrize("kind", [Saturation, Hue])
def test_gray_images_keep_their_grays(kind: type) -> None:
    one = bytes_as_floats(6, 1, 5, 5)
    same = kind(0.5)(one, seeded())
    assert torch.equal(same, one)
    assert same.data_ptr() != one.data_ptr()
    three = one.expand(-1, 3, -1, -1)
    torch.testing.assert_close(kind(0.5)(three, seeded()), three.contiguous(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [Brightness, Contrast, Saturation, Hue])
def test_strength_0_changes_nothing(kind: type) -> None:
    images = bytes_as_floats(4, 3, 5, 5)
    torch.testing.assert_close(kind(0.0)(images, seeded()), images, atol=1e-6, rtol=0)


def test_jitter_is_the_four_in_every_order() -> None:
    images = bytes_as_floats(2, 3, 4, 4)
    jitter = ColorJitter(0.5, 0.5, 0.5, 0.2)
    steps = (Brightness(0.5), Contrast(0.5), Saturation(0.5), Hue(0.2))
    seen = set()
    for seed in range(200):
        generator = seeded(seed)
        order = tuple(torch.randperm(4, generator=generator).tolist())
        expected = images
        for index in order:
            expected = steps[index](expected, generator)
        assert torch.equal(jitter(images, seeded(seed)), expected)
        seen.add(order)
    assert len(seen) == 24


def test_jitter_leaves_out_what_has_no_strength() -> None:
    images = bytes_as_floats(3, 3, 4, 4)
    nothing = ColorJitter(0, 0, 0, 0)(images, seeded())
    assert torch.equal(nothing, images)
    assert nothing.data_ptr() != images.data_ptr()
    generator = seeded(5)
    torch.randperm(1, generator=generator)
    assert torch.equal(ColorJitter(0, 0.4, 0, 0)(images, seeded(5)), Contrast(0.4)(images, generator))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Brightness(-0.1), "Brightness strength is -0.1; allowed: a number from 0"),
        (lambda: Contrast(float("inf")), "Contrast strength is inf"),
        (lambda: Saturation(float("nan")), "Saturation strength is nan"),
        (lambda: Hue(0.6), "Hue strength is 0.6; allowed: a number from 0 to 0.5"),
        (lambda: ColorJitter(hue=0.6), "Hue strength is 0.6"),
        (lambda: ColorJitter(brightness=-1), "Brightness strength is -1"),
    ],
)
def test_settings_that_are_not_allowed(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
