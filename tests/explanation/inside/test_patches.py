"""Patches: the planted cue is found, places are those of a plain loop, crops are the support of the gradient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.explanation.inside.optimized_image import optimize_images
from convnets.explanation.inside.patches import find_patches
from convnets.models.catalogue import create_model


def made_up(count: int, channels: int, side: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, channels, side, side), generator=generator).to(torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 2, ("a", "b"))


@pytest.mark.parametrize(
    ("name", "layer", "channels", "side"),
    [
        ("lenet_bn", "convolutions.4", 1, 28),
        ("resnet20", "stage2.0.conv1", 3, 32),
        ("googlenet", "inception.3a", 1, 96),
        ("alexnet_d2l", "convolutions.3", 1, 224),
    ],
)
def test_boxes_are_the_support_of_the_gradient(name: str, layer: str, channels: int, side: int) -> None:
    network = create_model(name, in_channels=channels, num_classes=2, seed=0).eval()
    images, preprocess = made_up(3, channels, side), Preprocess.plain(channels, side)
    found = find_patches(network, images, preprocess, layer, count=2, units=[0, 3])
    for patch in (patch for patches in found.patches.values() for patch in patches):
        x = preprocess(images.pixels[patch.image : patch.image + 1]).requires_grad_(True)
        kept = []
        hook = network.get_submodule(layer).register_forward_hook(
            lambda _, __, output, kept=kept: kept.append(output)
        )
        network(x)
        hook.remove()
        assert float(kept[0][0, patch.unit].detach().max()) == pytest.approx(patch.value, rel=1e-4, abs=1e-5)
        (slope,) = torch.autograd.grad(kept[0][0, :, *patch.position].sum(), x)
        touched = slope[0].abs().sum(0) > 0
        rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
        top, bottom, left, right = patch.box
        # dead ReLUs and maxima take pixels away from the gradient, never add any
        assert top <= rows.min() <= rows.max() < bottom
        assert left <= columns.min() <= columns.max() < right
        if name == "lenet_bn":  # sigmoids and averages let all through
            assert (int(rows.min()), int(rows.max()) + 1) == (top, bottom)
            assert (int(columns.min()), int(columns.max()) + 1) == (left, right)
        picture = images.pixels[patch.image].numpy()[:, top:bottom, left:right]
        cut = found.pixels[patch]
        inside = [
            (row, column)
            for row in range(cut.shape[1] - picture.shape[1] + 1)
            for column in range(cut.shape[2] - picture.shape[2] + 1)
            if np.array_equal(
                cut[:, row : row + picture.shape[1], column : column + picture.shape[2]], picture
            )
        ]
        assert inside


def test_places_are_those_of_a_plain_loop_however_batches_are_cut() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 64, 2))
    images, preprocess = made_up(50, 1, 8), Preprocess.plain(1, 8)
    found = find_patches(network, images, preprocess, "0", count=4, units=[2, 0], memory=4000)
    with torch.no_grad():
        maps = network[0](preprocess(images.pixels))
    for unit in (2, 0):
        by_image = sorted(range(50), key=lambda image, unit=unit: -float(maps[image, unit].max()))[:4]
        assert [patch.image for patch in found.patches[unit]] == by_image
        for patch in found.patches[unit]:
            assert maps[patch.image, unit][patch.position] == maps[patch.image, unit].max()
            assert patch.label == images.classes[int(images.labels[patch.image])]
    assert list(found.patches) == [2, 0]


def test_padding_is_gray_and_everything_is_where_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(16, 2))
    nn.init.ones_(network[0].weight)
    pixels = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    pixels[0, 0, :2, :2] = 200
    pixels[0, 0, 0, 0] = 255
    images = ImageSet(pixels, [0], ("a", "b"))
    network[0].weight.data[0, 0, 0, :] = network[0].weight.data[0, 0, :, 0] = -1  # best at the very corner
    found = find_patches(network, images, Preprocess.plain(1, 4), "0", count=1)
    (patch,) = found.patches[0]
    assert patch.position == (0, 0)
    assert patch.box == (0, 2, 0, 2)
    assert found.pixels[patch][0].tolist() == [[128, 128, 128], [128, 255, 200], [128, 200, 200]]


def test_the_planted_square_is_what_some_units_look_for(planted: Any, tmp_path: Path) -> None:
    model = planted.model
    images = planted.data.train.subset(range(600))
    found = find_patches(model.network, images, model.preprocess, "2", units=range(16), count=6)
    # nothing but the square is as white as that
    shows_square = {patch: bool((pixels == 255).any()) for patch, pixels in found.pixels.items()}
    corner = [
        unit for unit, patches in found.patches.items() if all(shows_square[patch] for patch in patches)
    ]
    assert len(corner) >= 2
    assert {patch.label for unit in corner for patch in found.patches[unit]} == {"3"}
    assert len(corner) < 12  # others look for other things
    made = optimize_images(model.network, model.preprocess, "2", corner[:2], steps=20)
    shown = found.with_optimized(made)
    page = shown.save(tmp_path / "patches.html").read_text()
    assert "less reliable" in page
    assert "default-src 'none'" in page
    assert len(json.loads(json.dumps(found.to_dict()))["units"]["0"]) == 6


def test_an_optimized_image_excites_its_unit_more_than_any_real_one_does(planted: Any) -> None:
    model = planted.model
    state, modes = torch.get_rng_state(), [module.training for module in model.network.modules()]
    before = [weight.grad for weight in model.network.parameters()]
    units = [0, 5]
    made = optimize_images(model.network, model.preprocess, "4", units)
    again = optimize_images(model.network, model.preprocess, "4", units)
    assert all(np.array_equal(made[unit], again[unit]) for unit in units)
    assert made[0].shape == (
        1,
        7,
        7,
    )  # what the unit in the middle sees; the first row and column it does not
    x = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    x[:, :, 1:, 1:] = torch.stack([torch.from_numpy(made[unit]) for unit in units])
    with torch.no_grad():
        own = model.network[:5](model.preprocess(x))
        real = model.network[:5](model.preprocess(planted.data.test.pixels))
    for place, unit in enumerate(units):
        assert own[place, unit, 2, 2] > real[:, unit, 2, 2].max()
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.network.modules()] == modes
    after = [weight.grad for weight in model.network.parameters()]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_what_is_not_there_is_refused(planted: Any) -> None:
    model, images = planted.model, planted.data.test.subset(range(4))
    with pytest.raises(InputError, match="unit 16 of 2; it has units 0 to 15"):
        find_patches(model.network, images, model.preprocess, "2", units=[16])
    with pytest.raises(ConfigError, match="count is 0"):
        find_patches(model.network, images, model.preprocess, "2", count=0)
    with pytest.raises(UnknownNameError, match="unknown layer 'conv'"):
        find_patches(model.network, images, model.preprocess, "conv")
    with pytest.raises(InputError, match="gives no maps"):
        find_patches(model.network, images, model.preprocess, "9")
    with pytest.raises(InputError, match="unit 99"):
        optimize_images(model.network, model.preprocess, "2", [99])
    with pytest.raises(ConfigError, match="steps is 0"):
        optimize_images(model.network, model.preprocess, "2", [0], steps=0)
