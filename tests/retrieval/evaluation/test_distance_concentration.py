"""Concentration against plain loops and what is known of random vectors."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from convnets.errors import ConfigError, InputError
from convnets.retrieval.evaluation.distance_concentration import (
    concentration_svg,
    distance_concentration,
    random_concentration,
)


@pytest.mark.parametrize("distance", ["euclidean", "l1"])
def test_it_is_what_a_loop_finds(distance: str) -> None:
    vectors = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    vectors[7] = vectors[3]  # a copy is no neighbor
    rows = []
    x = vectors.tolist()
    for i in range(30):
        d = [
            math.dist(x[i], other)
            if distance == "euclidean"
            else sum(map(abs, map(float.__sub__, x[i], other)))
            for other in x
            if other != x[i]
        ]
        mean = statistics.fmean(d)
        rows.append(((max(d) - min(d)) / min(d), statistics.pstdev(d) / mean, min(d) / mean, max(d) / mean))
    found = distance_concentration(vectors, distance, queries=30)
    expected = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    assert [found.contrast, found.spread, found.nearest, found.farthest] == pytest.approx(expected, rel=1e-5)


def test_spread_falls_as_the_root_of_the_dimensions() -> None:
    """Squared distances of uniform numbers have mean D/6 and variance 7D/180, so spread ≈ √(7/20/D)."""
    for each in random_concentration([50, 200, 800], points=500):
        assert each.spread == pytest.approx(math.sqrt(7 / 20 / each.dimensions), rel=0.08)


def test_contrast_falls_with_every_step() -> None:
    contrasts = [each.contrast for each in random_concentration([2, 8, 32, 128, 512], points=300)]
    assert contrasts == sorted(contrasts, reverse=True)
    assert contrasts[0] > 20
    assert contrasts[-1] < 0.5


def test_vectors_on_a_line_do_not_concentrate_whatever_their_length() -> None:
    line = torch.rand(300, 1, generator=torch.Generator().manual_seed(0)) @ torch.ones(1, 512)
    assert distance_concentration(line).contrast > 20


def test_the_drawing_names_what_was_measured() -> None:
    rows = random_concentration([2, 16, 128], points=100)
    svg = concentration_svg(rows, {"triplet & more": rows[1]})
    assert "triplet &amp; more" in svg
    assert "independent numbers" in svg


def test_what_is_not_allowed() -> None:
    with pytest.raises(InputError, match="N ≥ 3"):
        distance_concentration(torch.zeros(2, 3))
    with pytest.raises(InputError, match="all equal"):
        distance_concentration(torch.zeros(5, 3))
    with pytest.raises(ConfigError, match="from 3, from 1"):
        random_concentration([0])
