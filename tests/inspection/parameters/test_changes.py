"""Freezing, sharing, replacing and re-initializing: seen in what a training step changes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from convnets.errors import UnknownNameError, UsageError
from convnets.inspection.parameters.changes import freeze, reinitialize, replace, share, unfreeze
from convnets.inspection.parameters.listing import shared_parameters
from convnets.layers import RescaledSigmoid
from convnets.models.catalogue import create_model


def step(network: nn.Module, x: Tensor) -> set[str]:
    """Names of the parameters that a step of SGD changes."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    network(x).square().sum().backward()
    optimizer.step()
    return {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}


def test_frozen_parameters_do_not_move() -> None:
    network = create_model("lenet", seed=0)
    every = {name for name, _ in network.named_parameters()}
    x = torch.rand(4, 1, 28, 28)
    assert step(network, x) == every
    frozen = freeze(network, "convolutions", "*.bias")
    assert set(frozen) == {name for name in every if name.startswith("convolutions") or name.endswith("bias")}
    assert step(network, x) == every - set(frozen)
    assert unfreeze(network, "convolutions.0") == ["convolutions.0.weight", "convolutions.0.bias"]
    assert step(network, x) == (every - set(frozen)) | {"convolutions.0.weight", "convolutions.0.bias"}
    assert len(unfreeze(network)) == len(every)
    with pytest.raises(UnknownNameError, match="unknown parameter 'convolution'; nearest: convolutions"):
        freeze(network, "convolution")


def test_shared_parameters_stay_one() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    assert share(network, "0", "2") == ["2.weight", "2.bias"]
    assert network[0].weight is network[2].weight
    assert shared_parameters(network) == (("0.weight", "2.weight"), ("0.bias", "2.bias"))
    x = torch.rand(5, 3)
    network(x).sum().backward()
    # the gradient is the sum over both places, by central differences
    weight, h = network[0].weight, 1e-3
    expected = torch.empty(3, 3)
    with torch.no_grad():
        for place in range(9):
            sums = []
            for change in (h, -2 * h):
                weight.view(-1)[place] += change
                sums.append(float(network(x).sum()))
            weight.view(-1)[place] += h
            expected.view(-1)[place] = (sums[0] - sums[1]) / (2 * h)
    torch.testing.assert_close(weight.grad, expected, rtol=1e-2, atol=2e-3)


def test_sharing_a_single_parameter_and_what_does_not_fit() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert share(network, "0.bias", "1.bias") == ["1.bias"]
    assert network[0].bias is network[1].bias
    assert network[0].weight is not network[1].weight
    with pytest.raises(UsageError, match=r"0 and 2 differ in weight: \(3, 3\) and \(2, 3\)"):
        share(network, "0", "2")
    with pytest.raises(UsageError, match=r"2\.weight and 0\.bias differ in shape"):
        share(network, "2.weight", "0.bias")
    with pytest.raises(UnknownNameError, match="unknown parameter or module '9'"):
        share(network, "0", "9")


def test_replacing_by_class_and_by_pattern() -> None:
    network = create_model("lenet").eval()
    replaced = replace(network, nn.Sigmoid, lambda _: RescaledSigmoid())
    assert replaced == ["convolutions.1", "convolutions.4", "hidden.2", "hidden.4"]
    assert not any(module.training for module in network.modules())
    assert replace(network, "hidden.[24]", nn.Identity()) == ["hidden.2", "hidden.4"]
    assert network.hidden[2] is network.hidden[4]
    assert replace(network, "classifier", nn.Linear(84, 3)) == ["classifier"]
    assert network(torch.rand(2, 1, 28, 28)).shape == (2, 3)


def test_a_module_at_two_places_stays_one() -> None:
    activation = nn.Sigmoid()
    network = nn.Sequential(nn.Linear(2, 2), activation, nn.Linear(2, 2), activation)
    assert replace(network, nn.Sigmoid, lambda _: nn.ReLU()) == ["1", "3"]
    assert network[1] is network[3]


def test_what_cannot_be_replaced() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(UnknownNameError, match="unknown kind of module 'ReLU'; allowed: Linear, Sequential"):
        replace(network, nn.ReLU, nn.Identity())
    with pytest.raises(UnknownNameError, match="unknown module 'x'; allowed: 0"):
        replace(network, "x", nn.Identity())
    with pytest.raises(UsageError, match="the network itself"):
        replace(network, nn.Sequential, nn.Identity())
    with pytest.raises(UsageError, match="the function gave int for 0; allowed: a module"):
        replace(network, "0", lambda _: 3)  # type: ignore[arg-type, return-value]


def test_reinitializing_by_pattern() -> None:
    network = create_model("lenet_bn")
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    done = reinitialize(network, "hidden", "kaiming-normal", seed=0)
    changed = [name for name, value in network.named_parameters() if not torch.equal(value, before[name])]
    assert done == changed
    assert all(name.startswith("hidden.") and name.endswith(".weight") for name in done)
    first = network.get_parameter(done[0]).detach().clone()
    assert float(first.std()) == pytest.approx(math.sqrt(2 / first.shape[1]), rel=0.03)
    reinitialize(network, "hidden", "kaiming-normal", seed=0)
    assert torch.equal(network.get_parameter(done[0]), first)


def test_reinitializing_by_a_function_takes_biases_too() -> None:
    network = nn.Sequential(nn.Linear(3, 3))

    def fill(weight: Tensor, generator: Generator | None) -> None:
        weight.fill_(7.0)

    assert reinitialize(network, "*", fill) == ["0.weight", "0.bias"]
    assert all((p == 7).all() for p in network.parameters())
    with pytest.raises(
        UsageError, match=r"'normal' is a rule for weights of two axes or more, not for 0\.bias"
    ):
        reinitialize(network, "*.bias", "normal")
    with pytest.raises(UnknownNameError, match="unknown initializer 'norml'; nearest: normal"):
        reinitialize(network, "*", "norml")


def test_dirac_looks_at_the_groups_of_its_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False))
    reinitialize(network, "0", "dirac")
    x = torch.rand(1, 4, 5, 5)
    assert torch.equal(network(x), x)
