"""Pooling against PyTorch's over random windows, ties included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.layers.pooling import (
    AdaptiveAveragePool,
    AveragePool,
    GlobalAveragePool,
    MaxPool,
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)

Agree = Callable[..., None]


def maps(*shape: int, ties: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    if ties:
        return torch.randint(-1, 2, shape, generator=generator).double()
    return torch.randn(shape, dtype=torch.float64, generator=generator)


kernels = st.tuples(st.integers(1, 4), st.integers(1, 4))
strides = st.one_of(st.none(), st.integers(1, 4), st.tuples(st.integers(1, 3), st.integers(1, 3)))
sides = st.tuples(st.integers(7, 10), st.integers(7, 10))


@settings(max_examples=60, deadline=None)
@given(
    kernel=kernels,
    stride=strides,
    side=sides,
    padded=st.booleans(),
    dilation=st.integers(1, 2),
    ties=st.booleans(),
)
def test_max(
    agree: Agree,
    kernel: tuple[int, int],
    stride: int | tuple[int, int] | None,
    side: tuple[int, int],
    padded: bool,
    dilation: int,
    ties: bool,
) -> None:
    padding = (kernel[0] // 2, kernel[1] // 2) if padded else 0
    x = maps(2, 3, *side, ties=ties)
    agree(
        lambda x: max_pool(x, kernel, stride, padding, dilation),
        lambda x: F.max_pool2d(x, kernel, stride, padding, dilation),
        x,
    )


@settings(max_examples=60, deadline=None)
@given(kernel=kernels, stride=strides, side=sides, padded=st.booleans(), count=st.booleans())
def test_average(
    agree: Agree,
    kernel: tuple[int, int],
    stride: int | tuple[int, int] | None,
    side: tuple[int, int],
    padded: bool,
    count: bool,
) -> None:
    padding = (kernel[0] // 2, kernel[1] // 2) if padded else 0
    agree(
        lambda x: average_pool(x, kernel, stride, padding, count),
        lambda x: F.avg_pool2d(x, kernel, stride, padding, count_include_pad=count),
        maps(2, 3, *side),
    )


@settings(max_examples=40, deadline=None)
@given(side=sides, size=st.one_of(st.integers(1, 10), st.tuples(st.integers(1, 10), st.integers(1, 10))))
def test_adaptive(agree: Agree, side: tuple[int, int], size: int | tuple[int, int]) -> None:
    x = maps(2, 3, *side)
    agree(lambda x: adaptive_average_pool(x, size), lambda x: F.adaptive_avg_pool2d(x, size), x)
    agree(lambda x: adaptive_max_pool(x, size), lambda x: F.adaptive_max_pool2d(x, size), x)


@settings(max_examples=10, deadline=None)
@given(side=sides)
def test_global(agree: Agree, side: tuple[int, int]) -> None:
    x = maps(2, 3, *side)
    agree(global_average_pool, lambda x: F.adaptive_avg_pool2d(x, 1), x)
    agree(global_max_pool, lambda x: F.adaptive_max_pool2d(x, 1), x)


@pytest.mark.parametrize(
    ("own", "builtin"),
    [
        (MaxPool(3, 2, 1), nn.MaxPool2d(3, 2, 1)),
        (MaxPool((2, 3)), nn.MaxPool2d((2, 3))),
        (AveragePool(2), nn.AvgPool2d(2)),
        (AveragePool(3, 2, 1, count_include_pad=False), nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        (AdaptiveAveragePool((3, 2)), nn.AdaptiveAvgPool2d((3, 2))),
        (GlobalAveragePool(), nn.AdaptiveAvgPool2d(1)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers(own: nn.Module, builtin: nn.Module) -> None:
    x = maps(2, 3, 9, 8)
    torch.testing.assert_close(own(x), builtin(x))
    assert type(own).__name__ in repr(own)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="window of 5×5"):
        max_pool(torch.zeros(1, 1, 4, 4), 5)
    with pytest.raises(ConfigError, match="padding is 2; allowed for a pooling window of 3: 0 to 1"):
        AveragePool(3, padding=2)
    with pytest.raises(InputError, match="global average pooling got shape"):
        global_average_pool(torch.zeros(2, 3))
