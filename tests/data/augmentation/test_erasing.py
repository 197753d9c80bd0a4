"""Random erasing: what is painted is one rectangle, of the promised size, at every place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets.data.augmentation.erasing import RandomErasing, inside_boxes
from convnets.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rectangle(changed: np.ndarray) -> tuple[int, int, int, int] | None:
    """Edges of the H×W area that changed, which must be one full rectangle; None when nothing changed."""
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if rows.size == 0:
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert changed[top:bottom, left:right].all()
    assert changed.sum() == (bottom - top) * (right - left)
    return int(top), int(left), int(bottom), int(right)


def test_rectangles_have_the_promised_rate_area_shape_and_places() -> None:
    images = torch.full((4000, 3, 24, 30), 0.5)
    erased = RandomErasing(p=0.3, scale=(0.05, 0.2), ratio=(0.5, 2.0), value=0.0)(images, seeded())
    edges = [rectangle(image[0] == 0) for image in erased.numpy()]
    found = np.array([edge for edge in edges if edge is not None], dtype=float)
    assert 0.27 < len(found) / 4000 < 0.33  # 0.3 ± 4 standard deviations
    heights, widths = found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]
    areas, shapes = heights * widths / 720, widths / heights
    # sides are rounded to whole pixels: half a pixel of each side
    assert areas.min() > 0.05 - 0.02
    assert areas.max() < 0.2 + 0.03
    assert abs(areas.mean() - 0.125) < 0.005
    assert shapes.min() > 0.4
    assert shapes.max() < 2.5
    assert found[:, 0].min() == 0
    assert found[:, 1].min() == 0
    assert found[:, 2].max() == 24
    assert found[:, 3].max() == 30


def test_whole_images_can_be_erased_and_none() -> None:
    images = torch.rand(20, 3, 8, 8)
    whole = RandomErasing(p=1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0), value=1.0)(images, seeded())
    assert torch.equal(whole, torch.ones_like(images))
    assert torch.equal(RandomErasing(p=0.0)(images, seeded()), images)


def test_mean_is_the_mean_color_of_each_image() -> None:
    images = torch.rand(10, 3, 12, 12, generator=seeded(1), dtype=torch.float64)
    erased = RandomErasing(p=1.0, value="mean")(images, seeded()).numpy()
    for before, after in zip(images.numpy(), erased, strict=True):
        changed = (before != after).any(0)
        assert changed.any()
        for channel in range(3):
            np.testing.assert_allclose(after[channel][changed], before[channel].mean(), atol=1e-12)


def test_random_pixels_are_uniform_and_of_every_channel() -> None:
    images = torch.full((300, 3, 16, 16), 2.0)  # no draw gives this value
    erased = RandomErasing(p=1.0)(images, seeded())
    drawn = erased[erased != 2.0]
    assert len(drawn) > 10_000
    assert 0 <= drawn.min() < 0.001
    assert 0.999 < drawn.max() <= 1
    assert abs(drawn.mean() - 0.5) < 0.01
    assert abs(drawn.std() - 12**-0.5) < 0.01
    assert not torch.equal(erased[:, 0], erased[:, 1])


def test_an_image_in_which_nothing_fits_stays() -> None:
    images = torch.rand(5, 1, 4, 400)
    assert torch.equal(RandomErasing(p=1.0, scale=(0.9, 1.0), ratio=(1.0, 1.0))(images, seeded()), images)


def test_inside_boxes_is_the_plain_loop() -> None:
    generator = np.random.default_rng(0)
    edges = generator.integers(-2, 9, size=(4, 30))
    masks = inside_boxes(torch.zeros(30, 3, 6, 7), *(torch.tensor(edge) for edge in edges)).numpy()
    for index, (top, left, bottom, right) in enumerate(edges.T):
        for y in range(6):
            for x in range(7):
                assert masks[index, 0, y, x] == (top <= y < bottom and left <= x < right)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p": -0.1}, "RandomErasing p is -0.1"),
        ({"scale": (0.5, 0.1)}, "RandomErasing scale"),
        ({"scale": (0.1, 1.5)}, "≤ 1"),
        ({"ratio": (0.0, 1.0)}, "RandomErasing ratio"),
        ({"value": "noise"}, "RandomErasing value is 'noise'; allowed: random, mean, or 0 to 1"),
        ({"value": 255.0}, "RandomErasing value is 255.0; allowed: a number from 0 to 1"),
    ],
)
def test_settings_that_are_not_allowed(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomErasing(**settings)  # type: ignore[arg-type]
