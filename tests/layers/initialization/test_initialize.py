"""Initializers against their formulas: bounds, spreads, and what they leave alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import UnknownNameError, UsageError
from convnets.layers.convolution import Convolution
from convnets.layers.initialization.initialize import INITIALIZERS, initialize
from convnets.layers.initialization.initializers import normal_
from convnets.layers.linear import Linear

FAN_IN, FAN_OUT = 32 * 9, 64 * 9  # of the convolution below


def drawn(name: str) -> Tensor:
    conv = nn.Conv2d(32, 64, kernel_size=3)
    initialize(conv, name, seed=0)
    return conv.weight.detach()


@pytest.mark.parametrize(
    ("name", "bound"),
    [("xavier-uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))), ("kaiming-uniform", math.sqrt(6 / FAN_IN))],
)
def test_uniform_weights_fill_their_interval(name: str, bound: float) -> None:
    weight = drawn(name)
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    # the variance of U(−a, a) is a² / 3; 18,432 weights know it to about 1 %
    assert float(weight.var()) == pytest.approx(bound**2 / 3, rel=0.05)


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("xavier-normal", math.sqrt(2 / (FAN_IN + FAN_OUT))),
        ("kaiming-normal", math.sqrt(2 / FAN_IN)),
        ("normal", 0.01),
    ],
)
def test_normal_weights_have_their_spread(name: str, spread: float) -> None:
    weight = drawn(name)
    assert float(weight.std()) == pytest.approx(spread, rel=0.03)
    # about 32 % of a normal distribution lies beyond one standard deviation, nothing of U(−a, a) beyond 1.73
    assert float((weight.abs() > 2 * spread).float().mean()) == pytest.approx(0.0455, abs=0.01)


def test_constant_weights_are_one() -> None:
    assert torch.equal(drawn("constant"), torch.ones(64, 32, 3, 3))


def test_orthogonal_rows() -> None:
    rows = drawn("orthogonal").flatten(1)
    torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(64), atol=1e-5, rtol=0)


def test_dirac_lets_channels_through_in_each_group() -> None:
    x = torch.rand(2, 4, 5, 5)
    conv = nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=2, bias=False)
    initialize(conv, "dirac")
    assert torch.equal(conv(x), x)


def test_a_rule_of_ones_own() -> None:
    network = nn.Sequential(nn.Linear(50, 60), nn.ReLU(), Convolution(1, 2, 3), Linear(3, 2))
    initialize(network, lambda weight, generator: normal_(weight, 5.0, generator=generator), seed=0)
    drawn = network[0].weight
    assert isinstance(drawn, Tensor)
    assert float(drawn.detach().std()) == pytest.approx(5, rel=0.05)
    assert all(
        float(weight.detach().std()) > 1 for name, weight in network.named_parameters() if "weight" in name
    )


@pytest.mark.parametrize("name", INITIALIZERS)
def test_only_weights_of_convolutions_and_linear_layers_change(name: str) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.Conv1d(1, 3, 2)
    )
    before = {key: value.clone() for key, value in network.state_dict().items()}
    initialize(network, name, seed=0)
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"0.weight", "3.weight", "4.weight"}
    assert all(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_seed_decides_and_moves_no_other_random_number(name: str) -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    first, again = drawn_linear(name, 0), drawn_linear(name, 0)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(first, again)
    if name not in ("constant", "dirac"):
        assert not torch.equal(first, drawn_linear(name, 1))


def drawn_linear(name: str, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        linear = nn.Linear(8, 4)
    initialize(linear, name, seed=seed)
    return linear.weight.detach()


def test_without_a_seed_the_callers_random_numbers_decide() -> None:
    linear = nn.Linear(8, 4)
    torch.manual_seed(1)
    initialize(linear, "normal")
    first = linear.weight.detach().clone()
    initialize(linear, "normal")
    assert not torch.equal(linear.weight, first)
    torch.manual_seed(1)
    initialize(linear, "normal")
    assert torch.equal(linear.weight, first)


def test_the_same_numbers_in_every_precision() -> None:
    half, full = nn.Linear(8, 4).bfloat16(), nn.Linear(8, 4)
    for layer in (half, full):
        initialize(layer, "kaiming-normal", seed=0)
    assert torch.equal(half.weight, full.weight.bfloat16())


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown initializer 'xavier'; nearest: .*xavier-"):
        initialize(nn.Linear(1, 1), "xavier")


def test_a_lazy_layer_is_explained() -> None:
    with pytest.raises(UsageError, match="layer '0' is lazy"):
        initialize(nn.Sequential(nn.LazyLinear(3)), "normal")


def test_on_the_meta_device_there_is_nothing_to_draw() -> None:
    linear = nn.Linear(8, 4, device="meta")
    initialize(linear, "orthogonal", seed=0)
    assert linear.weight.is_meta
