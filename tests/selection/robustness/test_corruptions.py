"""Corruptions equal their definitions to within 1/255, and depend on nothing but seed and index."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.selection.robustness.corruptions import CORRUPTIONS, corrupt
from convnets.selection.robustness.random_params import RandomParams

SIDE = {1: 28, 3: 32}


def _oracle() -> Any:
    spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = _oracle()


def pictures(channels: int, count: int = 2) -> Tensor:
    """Smooth shapes with a sharp edge and some noise."""
    side = SIDE[channels]
    generator = torch.Generator().manual_seed(channels)
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    shape = 120 + 100 * torch.sin(row / 5) * torch.cos(column / 4)
    shape = torch.where((row > 8) & (row < 20) & (column > 5), shape, torch.zeros(()))
    noisy = shape + 20 * torch.randn(count, channels, side, side, generator=generator)
    return noisy.clamp(0, 255).round().to(torch.uint8)


DRAWN: dict[str, Callable[[RandomParams, Tensor, int], list[Tensor]]] = {
    "gaussian_noise": lambda d, x, s: [d.normal("gaussian_noise", *x.shape[1:])],
    "shot_noise": lambda d, x, s: [d.poisson("shot_noise", x * (500.0, 250.0, 100.0, 75.0, 50.0)[s - 1])],
    "impulse_noise": lambda d, x, s: [d.uniform("impulse_noise", *x.shape[1:])],
    "glass_blur": lambda d, x, s: [d.uniform("glass_blur", 2 if s > 3 else 1, *x.shape[2:], 2)],
    "motion_blur": lambda d, x, s: [d.uniform("motion_blur")],
    "snow": lambda d, x, s: [d.normal("snow", 1, *x.shape[2:]), d.uniform("snow direction")],
    "frost": lambda d, x, s: [d.uniform("frost", 32 * 32)],
    "fog": lambda d, x, s: [d.uniform("fog", 32 * 32)],
    "elastic_transform": lambda d, x, s: [
        d.uniform("elastic points", 3, 2), d.uniform("elastic field", 2, *x.shape[2:])
    ],
    "shift": lambda d, x, s: [d.uniform("shift")],
    "rotation": lambda d, x, s: [d.uniform("rotation")],
}  # fmt: skip


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_definition(name: str, channels: int, severity: int) -> None:
    images, indices = pictures(channels), (11, 4)
    found = corrupt(images, name, severity, indices=indices, seed=7)
    assert (found.dtype, found.shape) == (torch.uint8, images.shape)
    unit = images.float() / 255
    drawn = DRAWN[name](RandomParams(7, indices), unit, severity) if name in DRAWN else []
    for place in range(len(images)):
        own = [each[place].double().numpy() for each in drawn]
        expected = getattr(ORACLE, name)(images[place].double().numpy() / 255, severity, *own)
        gap = np.abs(np.clip(expected, 0, 1) * 255 - found[place].numpy())
        assert gap.max() <= 1, (name, severity, gap.max())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_the_same_way_in_any_batch(name: str) -> None:
    images = pictures(1, 5)
    whole = corrupt(images, name, 4, seed=1)
    parts = [corrupt(images[:2], name, 4, seed=1), corrupt(images[2:], name, 4, indices=[2, 3, 4], seed=1)]
    assert whole.equal(torch.cat(parts))
    assert corrupt(images, name, 0).equal(images)
    if name in DRAWN:
        assert not corrupt(images, name, 4, seed=2).equal(whole)


def test_severities_go_further_and_further() -> None:
    images = pictures(1, 8)
    for name in CORRUPTIONS:
        gaps = [(corrupt(images, name, s).float() - images.float()).abs().mean() for s in range(1, 6)]
        assert min(gaps) > 0, name
        if name != "elastic_transform":  # of which the first bends most, and the last most finely
            assert gaps[4] > gaps[0], name


def test_particles_are_those_of_light() -> None:
    """The mean of Poisson(c·x)/c is x, and its variance x/c."""
    draws = RandomParams(0, tuple(range(4000)))
    counts = draws.poisson("shot_noise", torch.full((4000, 10), 0.4 * 100)) / 100
    assert float(counts.mean()) == pytest.approx(0.4, abs=0.002)
    assert float(counts.var()) == pytest.approx(0.004, rel=0.05)


def test_what_is_refused() -> None:
    images = pictures(1)
    with pytest.raises(UnknownNameError, match="nearest: fog"):
        corrupt(images, "fogg", 1)
    with pytest.raises(ConfigError, match="allowed: 0 to 5"):
        corrupt(images, "fog", 6)
    with pytest.raises(InputError, match="uint8"):
        corrupt(images.float(), "fog", 1)
    with pytest.raises(InputError, match="square"):
        corrupt(images[..., :20], "fog", 1)
    with pytest.raises(InputError, match="1 indices for 2 images"):
        corrupt(images, "fog", 1, indices=[3])


@pytest.mark.cuda
def test_the_same_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images = pictures(3)
    for name in CORRUPTIONS:
        there = corrupt(images.cuda(), name, 4).cpu().int()
        assert (there - corrupt(images, name, 4).int()).abs().max() <= 1
