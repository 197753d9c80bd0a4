"""Preprocess against Pillow, slow loops and the published statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convnets.data.preprocess import Preprocess, channel_statistics, convert_channels
from convnets.errors import ConfigError, InputError


def random_images(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(8, 60),
    width=st.integers(8, 60),
    size=st.integers(4, 40),
    channels=st.sampled_from([1, 3]),
)
def test_the_batch_route_equals_pillows_resize_and_crop(
    height: int, width: int, size: int, channels: int
) -> None:
    images = random_images(1, channels, height, width)
    preprocess = Preprocess.plain(channels, size)
    ours = preprocess(images)
    array = images[0].permute(1, 2, 0).numpy()
    picture = Image.fromarray(array[..., 0] if channels == 1 else array)
    theirs = preprocess.store(picture)
    assert ours.shape == (1, channels, size, size)
    difference = (ours[0] - theirs.float() / 255).abs()
    # Pillow rounds to whole gray values after each of its two passes
    assert difference.max() <= 1.6 / 255


def test_resizing_up_is_the_bilinear_formula() -> None:
    images = random_images(1, 1, 5, 5)
    ours = Preprocess.plain(1, 13)(images)[0, 0]
    pixels = images[0, 0].double().numpy() / 255
    expected = np.zeros((13, 13))
    for i in range(13):
        for j in range(13):
            y, x = (min(max((k + 0.5) * 5 / 13 - 0.5, 0), 4) for k in (i, j))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, 4), min(left + 1, 4)
            dy, dx = y - top, x - left
            expected[i, j] = (
                pixels[top, left] * (1 - dy) * (1 - dx)
                + pixels[top, right] * (1 - dy) * dx
                + pixels[bottom, left] * dy * (1 - dx)
                + pixels[bottom, right] * dy * dx
            )
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


def test_normalizing_subtracts_and_divides_per_channel() -> None:
    images = random_images(2, 3, 6, 6)
    preprocess = Preprocess(3, 6, 6, (0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    out = preprocess(images)
    for channel in range(3):
        expected = (images[:, channel].double() / 255 - preprocess.mean[channel]) / preprocess.std[channel]
        torch.testing.assert_close(out[:, channel].double(), expected, atol=1e-6, rtol=1e-6)


def test_the_input_is_left_as_it_was() -> None:
    images = torch.rand(2, 1, 8, 8)
    before = images.clone()
    Preprocess(1, 8, 8, (0.5,), (0.5,))(images)
    assert torch.equal(images, before)


def test_crop_takes_the_middle() -> None:
    images = torch.zeros(1, 1, 10, 10, dtype=torch.uint8)
    images[0, 0, 3:7, 3:7] = 255
    assert Preprocess.plain(1, 4, resize=10)(images).min() == 1.0


def test_channels_are_repeated_or_weighted_by_luma() -> None:
    gray = torch.rand(2, 1, 3, 3)
    assert torch.equal(convert_channels(gray, 3)[:, 2], gray[:, 0])
    color = random_images(1, 3, 9, 9)
    luma = np.array(Image.fromarray(color[0].permute(1, 2, 0).numpy()).convert("L"))
    ours = convert_channels(color.float(), 1)[0, 0]
    assert (ours - torch.from_numpy(luma.astype(np.float32))).abs().max() <= 1


@given(channels=st.sampled_from([1, 3]), seed=st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_statistics_equal_float64(channels: int, seed: int) -> None:
    images = torch.randint(
        256, (5, channels, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    mean, std = channel_statistics(images, channels)
    values = images.double() / 255
    torch.testing.assert_close(torch.tensor(mean), values.mean((0, 2, 3)).float())
    torch.testing.assert_close(torch.tensor(std), values.std((0, 2, 3), correction=0).float())


def test_a_constant_channel_can_be_normalized() -> None:
    assert channel_statistics(torch.full((2, 1, 2, 2), 7, dtype=torch.uint8), 1)[1] == (1.0,)


@pytest.mark.fashion_mnist
def test_fashion_mnist_statistics_are_the_published_ones(fashion_mnist_root: object) -> None:
    from convnets.data.sources import load_data

    mean, std = channel_statistics(load_data("fashion-mnist").train.pixels, 1)
    assert mean[0] == pytest.approx(0.2860, abs=5e-5)
    assert std[0] == pytest.approx(0.3530, abs=5e-5)


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (5000, 20)])
def test_a_very_long_picture_is_cropped_before_it_is_scaled(size: tuple[int, int]) -> None:
    column = np.linspace(0, 255, max(size)).astype(np.uint8)
    picture = Image.fromarray(np.broadcast_to(column, (min(size), max(size))).copy())
    picture = picture if size[0] > size[1] else picture.transpose(Image.Transpose.ROTATE_270)
    stored = Preprocess.plain(1, 32).store(picture)
    assert stored.shape == (1, 32, 32)
    assert abs(float(stored.float().mean()) - 127.5) < 2


def test_every_image_takes_the_same_route_even_one_of_the_final_size() -> None:
    images = random_images(1, 1, 28, 28)
    preprocess = Preprocess.plain(1, 28, resize=32)
    stored = preprocess.store(Image.fromarray(images[0, 0].numpy()))
    assert (preprocess(images) - preprocess(stored[None])).abs().max() <= 1.1 / 255


def test_it_survives_json() -> None:
    preprocess = Preprocess(3, 224, 256, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 2},
        {"size": 0},
        {"size": 9},
        {"mean": (0.0, 0.0)},
        {"std": (0.0,)},
        {"std": (float("nan"),)},
        {"mean": (float("inf"),)},
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, object]) -> None:
    values = {"channels": 1, "size": 8, "resize": 8, "mean": (0.0,), "std": (1.0,)} | wrong
    with pytest.raises(ConfigError, match="preprocess"):
        Preprocess.from_dict(values)


def test_missing_values_are_named() -> None:
    with pytest.raises(ConfigError, match="resize"):
        Preprocess.from_dict({"channels": 1, "size": 8, "mean": (0.0,), "std": (1.0,)})


def test_a_batch_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="N×C×H×W"):
        Preprocess.plain(1, 8)(torch.zeros(8, 8))
