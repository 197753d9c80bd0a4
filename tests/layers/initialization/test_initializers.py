"""Initializers of one weight against PyTorch's on the same random numbers: equal to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from convnets.errors import ConfigError, InputError
from convnets.layers.initialization import initializers as own

Rule = Callable[[Tensor, Generator], object]
RULES: dict[str, tuple[Rule, Rule]] = {
    "normal": (
        lambda w, g: own.normal_(w, 0.3, 1.0, generator=g),
        lambda w, g: nn.init.normal_(w, 1.0, 0.3, generator=g),
    ),
    "constant": (lambda w, _: own.constant_(w, 0.5), lambda w, _: nn.init.constant_(w, 0.5)),
    "xavier-uniform": (
        lambda w, g: own.xavier_uniform_(w, 1.5, generator=g),
        lambda w, g: nn.init.xavier_uniform_(w, 1.5, generator=g),
    ),
    "xavier-normal": (
        lambda w, g: own.xavier_normal_(w, 1.5, generator=g),
        lambda w, g: nn.init.xavier_normal_(w, 1.5, generator=g),
    ),
    "kaiming-uniform": (
        lambda w, g: own.kaiming_uniform_(w, generator=g),
        lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g),
    ),
    "kaiming-normal": (
        lambda w, g: own.kaiming_normal_(w, generator=g),
        lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    ),
    "orthogonal": (
        lambda w, g: own.orthogonal_(w, 2.0, generator=g),
        lambda w, g: nn.init.orthogonal_(w, 2.0, generator=g),
    ),
}


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=15, deadline=None)
@given(shape=st.lists(st.integers(1, 6), min_size=2, max_size=4))
def test_equal_to_pytorch(name: str, shape: list[int]) -> None:
    drawn = []
    for rule in RULES[name]:
        weight = torch.empty(shape, dtype=torch.float64)
        rule(weight, Generator().manual_seed(7))
        drawn.append(weight)
    assert torch.equal(*drawn)


@settings(max_examples=30, deadline=None)
@given(
    groups=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_dirac_equal_to_pytorch(groups: int, channels: tuple[int, int], kernel: list[int]) -> None:
    shape = (channels[0] * groups, channels[1], *kernel)
    assert torch.equal(own.dirac_(torch.empty(shape), groups), nn.init.dirac_(torch.empty(shape), groups))


def test_dirac_of_a_linear_layer_is_the_identity() -> None:
    assert torch.equal(own.dirac_(torch.empty(3, 4)), torch.eye(3, 4))


def test_xavier_keeps_the_variance_of_values_and_gradients() -> None:
    """With fan_in = fan_out both stay: Var y = fan_in · Var w · Var x."""
    weight = own.xavier_normal_(torch.empty(2000, 2000), generator=Generator().manual_seed(0))
    x = torch.randn(50, 2000, generator=Generator().manual_seed(1))
    assert float((x @ weight.T).std()) == pytest.approx(1.0, rel=0.02)
    assert float((x @ weight).std()) == pytest.approx(1.0, rel=0.02)


def test_kaiming_keeps_the_second_moment_through_relu() -> None:
    weight = own.kaiming_normal_(torch.empty(1000, 2000), generator=Generator().manual_seed(0))
    x = torch.randn(100, 2000, generator=Generator().manual_seed(1)).relu()
    # half of E[y²] is left after the next ReLU, and y² has twice that of x: as much as before. The inputs' common mean
    # makes the units of one image move together, so that 1000 of them know it to some per cent only
    after = float((x @ weight.T).relu().square().mean())
    assert after == pytest.approx(float(x.square().mean()), rel=0.15)


def test_what_is_no_weight_is_refused() -> None:
    with pytest.raises(InputError, match="two axes or more"):
        own.kaiming_normal_(torch.empty(3))
    with pytest.raises(ConfigError, match="groups is 2; allowed: a divisor of 3 outputs"):
        own.dirac_(torch.empty(3, 1, 1), 2)
