"""Pooling as data."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.errors import ConfigError
from convnets.kernels.pooling import Pooling


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(2, None, 0), (3, 2, 1), (3, 1, 1), ((3, 2), (2, 1), (1, 0))]
)
@pytest.mark.parametrize("sides", [(7, 9), (12, 8)])
def test_size_and_values_are_those_of_the_modules(
    kernel: int, stride: int | None, padding: int, sides: tuple[int, int]
) -> None:
    x = torch.randn(2, 3, *sides)
    for kind, module in (("max", nn.MaxPool2d), ("average", nn.AvgPool2d)):
        pooling = Pooling(kind, kernel, stride, padding)  # type: ignore[arg-type]
        expected = module(kernel, stride, padding)(x)
        assert pooling.output_size(*sides) == expected.shape[2:]
        assert torch.equal(pooling.plain(x), expected)


@pytest.mark.parametrize("wrong", [{"kernel": 0}, {"kernel": 2, "stride": 0}, {"kernel": 3, "padding": 2}])
def test_windows_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="cannot be"):
        Pooling("max", **wrong)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="'max', 'average'"):
        Pooling("median", 2)  # type: ignore[arg-type]
