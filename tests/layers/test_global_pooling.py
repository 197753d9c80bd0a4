"""Pooling against plain loops; regions against the figures of the paper's layout."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.layers.global_pooling import (
    POOLINGS,
    GeneralizedMean,
    generalized_mean,
    pool,
    region_maximum,
    regions,
)


@pytest.fixture
def maps() -> Tensor:
    return torch.rand(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def cells(maps: Tensor, image: int, channel: int) -> list[float]:
    return [value for row in maps[image, channel].tolist() for value in row]


def test_average_maximum_both_and_flatten(maps: Tensor) -> None:
    average = [[sum(cells(maps, n, c)) / 35 for c in range(3)] for n in range(2)]
    largest = [[max(cells(maps, n, c)) for c in range(3)] for n in range(2)]
    assert torch.allclose(pool(maps, "average"), maps.new_tensor(average))
    assert torch.equal(pool(maps, "maximum"), maps.new_tensor(largest))
    assert torch.equal(pool(maps, "both"), torch.cat([pool(maps, "average"), pool(maps, "maximum")], 1))
    assert pool(maps, "flatten").tolist() == [
        [value for c in range(3) for value in cells(maps, n, c)] for n in range(2)
    ]


@pytest.mark.parametrize("p", [0.5, 1.0, 3.0, 20.0])
def test_generalized_mean_is_its_formula(maps: Tensor, p: float) -> None:
    expected = [[(sum(x**p for x in cells(maps, n, c)) / 35) ** (1 / p) for c in range(3)] for n in range(2)]
    assert torch.allclose(generalized_mean(maps, p), maps.new_tensor(expected))


def test_generalized_mean_from_average_to_maximum(maps: Tensor) -> None:
    assert torch.allclose(generalized_mean(maps, 1.0), pool(maps, "average"))
    large = generalized_mean(1e20 * maps.float(), 500.0)  # x^500 would not fit into a float
    assert torch.allclose(large, pool(1e20 * maps.float(), "maximum"), rtol=0.01)


def test_gradients_of_the_generalized_mean(maps: Tensor) -> None:
    p = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(generalized_mean, (maps.requires_grad_(), p))


def test_a_learned_exponent_goes_to_the_maximum_when_that_is_wanted(maps: Tensor) -> None:
    module, wanted = GeneralizedMean(), pool(maps, "maximum").float()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        (module(maps.float()) - wanted).square().sum().backward()
        optimizer.step()
    assert module.p.item() > 10


@pytest.mark.parametrize(("kind", "reduce"), [("grid", "mean"), ("grid-maximum", "amax")])
def test_grid_cells(kind: str, reduce: str) -> None:
    maps = torch.rand(2, 3, 6, 4)
    found = pool(maps, kind, grid=2).view(2, 3, 2, 2)
    for row in range(2):
        for column in range(2):
            cell = maps[:, :, 3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            assert torch.allclose(found[:, :, row, column], getattr(cell, reduce)((2, 3)))
    assert pool(maps, kind).shape == (2, 3 * 36)


def test_regions_of_a_square_map_are_1_4_and_9() -> None:
    found = regions(12, 12, 3)
    assert [sum(side == wanted for *_, side in found) for wanted in (12, 8, 6)] == [1, 4, 9]
    assert {(top, left) for top, left, side in found if side == 6} == {
        (y, x) for y in (0, 3, 6) for x in (0, 3, 6)
    }


@pytest.mark.parametrize(("height", "width"), [(12, 18), (30, 12), (7, 5), (1, 1), (1, 9), (64, 8)])
def test_regions_lie_inside_and_reach_every_edge(height: int, width: int) -> None:
    found = regions(height, width, 3)
    assert all(y >= 0 and y + s <= height and x >= 0 and x + s <= width for y, x, s in found)
    assert max(y + s for y, _, s in found) == height
    assert max(x + s for _, x, s in found) == width
    assert len(set(found)) == len(found)


def test_regions_of_a_long_map_overlap_by_about_40_per_cent() -> None:
    starts = [x for _, x, side in regions(10, 16, 1)]
    assert starts == [0, 6]  # 4 of 10 in common


def test_region_maximum_equals_the_loop(maps: Tensor) -> None:
    expected = []
    for image in maps:
        total = [0.0] * 3
        for top, left, side in regions(5, 7, 3):
            largest = [
                max(image[c, y, x].item() for y in range(top, top + side) for x in range(left, left + side))
                for c in range(3)
            ]
            length = math.hypot(*largest)
            total = [t + value / length for t, value in zip(total, largest, strict=True)]
        expected.append(total)
    assert torch.allclose(region_maximum(maps, 3), maps.new_tensor(expected))


@pytest.mark.parametrize("kind", POOLINGS)
def test_every_pooling_gives_one_vector_per_image(maps: Tensor, kind: str) -> None:
    found = pool(maps, kind, grid=2)
    assert found.ndim == 2
    assert len(found) == 2
    assert found.isfinite().all()


def test_what_is_not_allowed(maps: Tensor) -> None:
    with pytest.raises(UnknownNameError, match="maximum"):
        pool(maps, "maximun")
    with pytest.raises(InputError, match="use flatten for vectors"):
        pool(torch.zeros(2, 3), "average")
    with pytest.raises(ConfigError, match="p is 0"):
        generalized_mean(maps, 0)
    with pytest.raises(ConfigError, match="p is -1"):
        GeneralizedMean(-1)
    with pytest.raises(ConfigError, match="grid is 0"):
        pool(maps, "grid", grid=0)
    with pytest.raises(ConfigError, match="levels is 0"):
        pool(maps, "rmac", levels=0)
