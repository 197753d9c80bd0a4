"""Dropout against PyTorch's on the same random numbers, and its mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.layers.dropout import Dropout, dropout


@settings(max_examples=30, deadline=None)
@given(
    p=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), shape=st.lists(st.integers(1, 5), min_size=1, max_size=4)
)
def test_equal_to_pytorch(agree: Callable[..., None], p: float, shape: list[int]) -> None:
    def seeded(operation: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(3)
                return operation(x, p)

        return call

    agree(seeded(dropout), seeded(F.dropout), torch.randn(shape, dtype=torch.float64))


def test_the_mean_stays() -> None:
    x = torch.ones(200_000, dtype=torch.float64)
    y = dropout(x, 0.3, torch.Generator().manual_seed(0))
    assert float((y == 0).double().mean()) == pytest.approx(0.3, abs=0.005)  # 5 standard errors
    assert float(y.mean()) == pytest.approx(1.0, abs=0.0075)


def test_prediction_leaves_values_as_they_are() -> None:
    x = torch.rand(3, 4)
    network = nn.Sequential(Dropout(0.9)).eval()
    assert torch.equal(network(x), x)
    assert not torch.equal(network.train()(x), x)


def test_no_probability() -> None:
    with pytest.raises(ConfigError, match=r"dropout probability is 1\.5; allowed: 0 to 1"):
        Dropout(1.5)
