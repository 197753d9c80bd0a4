"""Muon against a float64 singular value decomposition and PyTorch's own SGD."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from convnets.training.config import TrainConfig
from convnets.training.optimization.muon import Muon, orthogonalize
from convnets.training.optimization.optimizers import build_optimizer


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(16, 144), (64, 9), (10, 10)])
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_the_iteration_moves_singular_values_and_nothing_else(shape: tuple[int, int], steps: int) -> None:
    x = matrix(*shape)
    u, values, vt = torch.linalg.svd(x, full_matrices=False)
    values = values / values.square().sum().sqrt()
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(orthogonalize(x, steps), u @ torch.diag(values) @ vt, atol=1e-6, rtol=1e-6)


def test_five_steps_come_near_an_orthogonal_matrix() -> None:
    x = matrix(32, 288)
    values = torch.linalg.svdvals(orthogonalize(x, 5))
    assert values.min() > 0.65
    assert values.max() < 1.25
    u, _, vt = torch.linalg.svd(x, full_matrices=False)
    exact = u @ vt
    assert ((orthogonalize(x, 5) * exact).sum() / exact.square().sum()).item() == pytest.approx(1, abs=0.2)


def test_nothing_to_orthogonalize_stays_nothing() -> None:
    assert torch.equal(orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_an_orthogonal_step_by_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convnets.training.optimization.muon.bf16_is_native", lambda _: False)
    weight = nn.Parameter(torch.randn(8, 2, 3, 3))
    expected, velocity = weight.detach().double().clone(), torch.zeros(8, 18).double()
    optimizer = Muon([{"params": [weight], "orthogonal": True, "weight_decay": 0.1}], 0.2, momentum=0.6)
    for step in range(3):
        weight.grad = torch.randn(8, 2, 3, 3, generator=torch.Generator().manual_seed(step))
        gradient = weight.grad.double().reshape(8, 18)
        optimizer.step()
        velocity = 0.6 * velocity + gradient
        u, values, vt = torch.linalg.svd(gradient + 0.6 * velocity, full_matrices=False)
        values = values / values.square().sum().sqrt()
        for _ in range(3):
            values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
        expected = expected * math.sqrt(8) / expected.norm()
        expected = expected - 0.2 * (u @ torch.diag(values) @ vt).view(8, 2, 3, 3)
    torch.testing.assert_close(weight.detach().double(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("nesterov", [True, False])
def test_the_other_groups_take_the_steps_of_sgd(nesterov: bool) -> None:
    ours, theirs = (nn.Parameter(torch.ones(4, 3)) for _ in range(2))
    first = Muon([ours], 0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    second = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    for step in range(4):
        for parameter, optimizer in ((ours, first), (theirs, second)):
            parameter.grad = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_state_goes_on_where_it_was() -> None:
    def steps(weight: nn.Parameter, optimizer: Muon, numbers: range) -> None:
        for step in numbers:
            weight.grad = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(step))
            optimizer.step()

    def made() -> tuple[nn.Parameter, Muon]:
        weight = nn.Parameter(torch.ones(4, 1, 2, 2))
        return weight, Muon([{"params": [weight], "orthogonal": True}], 0.1)

    whole, stopped, resumed = made(), made(), made()
    steps(*whole, range(4))
    steps(*stopped, range(2))
    with torch.no_grad():
        resumed[0].copy_(stopped[0])
    resumed[1].load_state_dict(stopped[1].state_dict())
    steps(*resumed, range(2, 4))
    assert torch.equal(whole[0], resumed[0])


def test_muon_for_filters_and_a_rate_for_biases() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    groups = build_optimizer(net, TrainConfig(optimizer="muon", bias_rate=64, weight_decay=0.1)).param_groups
    of = {id(p): group for group in groups for p in group["params"]}
    assert len(of) == len(list(net.parameters()))
    for name, parameter in net.named_parameters():
        group = of[id(parameter)]
        assert group["rate"] == (64 if name.endswith("bias") else 1)
        assert group["orthogonal"] == (name == "0.weight")
        assert group["weight_decay"] == (0.1 if name == "3.weight" else 0)
