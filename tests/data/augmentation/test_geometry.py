"""Flips, crops and rotation against plain loops, NumPy's padding and Pillow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from convnets.data.augmentation.geometry import (
    HorizontalFlip,
    RandomCrop,
    RandomResizedCrop,
    RandomRotation,
    VerticalFlip,
)
from convnets.data.augmentation.random_params import draw_boxes, draw_uniform
from convnets.errors import ConfigError, InputError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(seed))


@pytest.mark.parametrize(("flip", "axis"), [(HorizontalFlip, 2), (VerticalFlip, 1)])
def test_flip_mirrors_some_images_whole_and_leaves_the_others(flip: type, axis: int) -> None:
    images = noise(400, 3, 5, 7)
    flipped = flip(p=0.25)(images, seeded())
    mirrored = 0
    for before, after in zip(images.numpy(), flipped.numpy(), strict=True):
        if np.array_equal(after, np.flip(before, axis)):
            mirrored += 1
        else:
            np.testing.assert_array_equal(after, before)
    assert 65 <= mirrored <= 135  # binomial(400, 0.25): 100 ± 4 standard deviations


@pytest.mark.parametrize("flip", [HorizontalFlip, VerticalFlip])
def test_flip_with_certainty_and_never(flip: type) -> None:
    images = noise(50, 1, 4, 4)
    assert torch.equal(flip(p=0.0)(images, seeded()), images)
    twice = flip(p=1.0)(flip(p=1.0)(images, seeded(1)), seeded(2))
    assert torch.equal(twice, images)
    assert not torch.equal(flip(p=1.0)(images, seeded()), images)


@pytest.mark.parametrize(("mode", "numpy_mode"), [("reflect", "reflect"), ("zeros", "constant")])
def test_every_crop_is_one_window_of_the_padded_image_and_every_place_occurs(
    mode: str, numpy_mode: str
) -> None:
    images = noise(600, 2 + 1, 6, 9)
    padding = 2
    crops = RandomCrop(padding, mode)(images, seeded()).numpy()
    counts = np.zeros((2 * padding + 1, 2 * padding + 1), int)
    for image, crop in zip(images.numpy(), crops, strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), mode=numpy_mode)
        places = [
            (top, left)
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
            if np.array_equal(padded[:, top : top + 6, left : left + 9], crop)
        ]
        assert len(places) == 1
        counts[places[0]] += 1
    assert counts.min() >= 6  # 24 expected at each of the 25 places, standard deviation 4.8
    assert counts.max() <= 46


def test_crop_by_an_eighth_of_the_side_is_the_default() -> None:
    for side, padding in ((28, 3), (32, 4), (8, 1), (7, 0)):
        images = noise(20, 1, side, side)
        assert torch.equal(RandomCrop()(images, seeded()), RandomCrop(padding)(images, seeded()))
    assert torch.equal(RandomCrop()(noise(3, 1, 7, 7), seeded()), noise(3, 1, 7, 7))


def test_crop_says_how_much_it_can_reflect() -> None:
    with pytest.raises(
        InputError, match="padding is 8 for images of 8 pixels; allowed: up to 7, or mode='zeros'"
    ):
        RandomCrop(8, "reflect")(noise(1, 1, 8, 8), seeded())
    assert RandomCrop(7)(noise(1, 1, 8, 8), seeded()).shape == (1, 1, 8, 8)
    assert RandomCrop(20, "zeros")(noise(1, 1, 8, 8), seeded()).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, None), (20, 31, None), (48, 40, 12), (16, 24, 33)]
)
def test_resized_crop_is_pillows_bilinear_resize_of_a_box(height: int, width: int, size: int | None) -> None:
    images = noise(12, 3, height, width)
    crop = RandomResizedCrop(scale=(0.1, 0.9), size=size)
    cropped = crop(images, seeded(5))
    generator = seeded(5)
    heights, widths, fits = draw_boxes(images, crop.scale, crop.ratio, generator)
    vertical, horizontal = (draw_uniform(images, 0, 1, generator).flatten() for _ in range(2))
    out = (size or width, size or height)
    assert fits.all()
    for index in range(len(images)):
        top, left = vertical[index] * (height - heights[index]), horizontal[index] * (width - widths[index])
        box = tuple(float(v) for v in (left, top, left + widths[index], top + heights[index]))
        for channel in range(3):
            picture = Image.fromarray(images[index, channel].numpy())
            expected = np.asarray(picture.resize(out, Image.Resampling.BILINEAR, box=box))
            np.testing.assert_allclose(cropped[index, channel].numpy(), expected, atol=2e-5)


def test_resized_crop_of_everything_changes_nothing() -> None:
    images = noise(4, 3, 16, 16)
    whole = RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0))(images, seeded())
    torch.testing.assert_close(whole, images, atol=1e-6, rtol=0)


def test_resized_crop_takes_the_middle_when_no_box_fits() -> None:
    images = noise(3, 1, 10, 40)
    cropped = RandomResizedCrop(scale=(1.0, 1.0), ratio=(0.5, 2.0))(images, seeded())
    picture = [Image.fromarray(image[0].numpy()) for image in images]
    expected = [
        np.asarray(p.resize((40, 10), Image.Resampling.BILINEAR, box=(10, 0, 30, 10))) for p in picture
    ]
    np.testing.assert_allclose(cropped[:, 0].numpy(), np.stack(expected), atol=2e-5)


def test_resized_crop_shrinks_without_aliasing() -> None:
    # A board of single pixels seen from afar is an even gray; picking pixels would leave black and white
    board = (torch.arange(64).view(-1, 1) + torch.arange(64)).remainder(2).float().expand(8, 1, 64, 64)
    small = RandomResizedCrop(scale=(0.8, 1.0), size=8)(board, seeded())
    assert (small - 0.5).abs().max() < 0.1


def test_resized_crop_keeps_its_precision_under_autocast() -> None:
    images = noise(2, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = RandomResizedCrop()(images, seeded())
    assert torch.equal(inside, RandomResizedCrop()(images, seeded()))


def test_boxes_have_the_promised_areas_and_shapes() -> None:
    images = torch.zeros(5000, 1, 40, 60)
    heights, widths, fits = draw_boxes(images, (0.1, 0.5), (0.5, 2.0), seeded())
    shares, shapes = heights * widths / 2400, widths / heights
    assert fits.all()
    assert bool((heights <= 40).all() and (widths <= 60).all())
    assert bool((shares > 0.0999).all() and (shares < 0.5001).all())
    assert bool((shapes > 0.4999).all() and (shapes < 2.0001).all())
    small = shares < 0.3  # where every shape fits: nothing is refused, so areas and log shapes are uniform
    torch.testing.assert_close(shares[small].mean(), torch.tensor(0.2), atol=0.005, rtol=0)
    torch.testing.assert_close(shapes[small].log().mean(), torch.tensor(0.0), atol=0.03, rtol=0)
    torch.testing.assert_close(
        shapes[small].log().std(), torch.tensor(np.log(4) / 12**0.5).float(), atol=0.02, rtol=0
    )


def test_rotation_is_pillows_in_the_middle() -> None:
    images = noise(16, 3, 33, 21)
    turned = RandomRotation(40, "zeros")(images, seeded(3))
    angles = draw_uniform(images, -40, 40, seeded(3)).flatten().tolist()
    assert max(angles) > 5 > -5 > min(angles)
    for index, angle in enumerate(angles):
        for channel in range(3):
            picture = Image.fromarray(images[index, channel].numpy())
            expected = np.asarray(picture.rotate(angle, Image.Resampling.BILINEAR))
            inside = (
                slice(10, 23),
                slice(4, 17),
            )  # Pillow leaves pixels at the border black that we still blend
            np.testing.assert_allclose(turned[index, channel].numpy()[inside], expected[inside], atol=2e-4)


def test_rotation_fills_corners_as_asked() -> None:
    images = torch.ones(40, 1, 24, 24)
    torch.testing.assert_close(RandomRotation(45)(images, seeded()), images)
    corners = RandomRotation(45, "zeros")(images, seeded())[:, 0, 0, 0]
    assert corners.min() == 0
    assert torch.equal(
        RandomRotation(0)(noise(2, 1, 8, 8), seeded()).round(decimals=5), noise(2, 1, 8, 8).round(decimals=5)
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: HorizontalFlip(1.5), "HorizontalFlip p is 1.5; allowed: a number from 0 to 1"),
        (lambda: VerticalFlip(float("nan")), "VerticalFlip p is nan"),
        (lambda: RandomCrop(-1), "RandomCrop padding is -1; allowed: whole pixels from 0, or None"),
        (lambda: RandomCrop(2.5), "padding is 2.5"),  # type: ignore[arg-type]
        (lambda: RandomCrop(4, "mirror"), "RandomCrop mode is 'mirror'; allowed: reflect, zeros"),
        (
            lambda: RandomResizedCrop(scale=(0.0, 1.0)),
            r"scale is \(0.0, 1.0\); allowed: \(low, high\) with 0 < low",
        ),
        (lambda: RandomResizedCrop(scale=(0.5, 1.1)), "≤ 1"),
        (lambda: RandomResizedCrop(ratio=(2.0, 1.0)), r"ratio is \(2.0, 1.0\)"),
        (lambda: RandomResizedCrop(ratio=(1.0, float("inf"))), "ratio"),
        (lambda: RandomResizedCrop(size=0), "size is 0"),
        (lambda: RandomRotation(181), "degrees is 181; allowed: a number from 0 to 180"),
        (lambda: RandomRotation(10, "wrap"), "mode is 'wrap'"),
    ],
)
def test_settings_that_are_not_allowed(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)
