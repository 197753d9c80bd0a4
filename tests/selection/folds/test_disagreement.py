"""Disagreement against a loop of logarithms."""

from __future__ import annotations

import math

import pytest
import torch

from convnets.errors import InputError
from convnets.selection.folds.disagreement import disagreement


def test_it_is_the_jensen_shannon_divergence() -> None:
    p = torch.rand(4, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = p / p.sum(2, keepdim=True)
    for image, found in enumerate(disagreement(p).tolist()):
        mean = [sum(float(p[m, image, k]) for m in range(4)) / 4 for k in range(3)]
        parts = [
            sum(float(p[m, image, k]) * math.log(float(p[m, image, k]) / mean[k]) for k in range(3))
            for m in range(4)
        ]
        assert found == pytest.approx(sum(parts) / 4)


def test_one_network_cannot_disagree() -> None:
    with pytest.raises(InputError, match="M ≥ 2"):
        disagreement(torch.ones(1, 3, 2) / 2)
