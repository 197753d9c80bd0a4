"""Penalties, caps and decay against arithmetic by hand."""

from __future__ import annotations

import torch
from torch import nn

from convnets.training.config import TrainConfig
from convnets.training.optimization.optimizers import (
    build_optimizer,
    cap_weight_norms,
    weight_penalty,
    weights_of,
)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def test_only_weights_decay() -> None:
    net = network()
    decays = {
        id(p): g["weight_decay"]
        for g in build_optimizer(net, TrainConfig()).param_groups
        for p in g["params"]
    }
    for module in net:
        for name, parameter in module.named_parameters():
            expected = 0.05 if name == "weight" and not isinstance(module, nn.BatchNorm2d) else 0.0
            assert decays[id(parameter)] == expected


def test_frozen_parameters_are_left_out() -> None:
    net = network()
    net[0].weight.requires_grad_(False)
    parameters = [
        p for g in build_optimizer(net, TrainConfig(optimizer="sgd")).param_groups for p in g["params"]
    ]
    assert all(p is not net[0].weight for p in parameters)
    assert len(weights_of(net)) == 1


def test_sgd_takes_the_steps_of_the_formula() -> None:
    layer = nn.Linear(2, 1, bias=False)
    weight = layer.weight.detach().double().clone()
    config = TrainConfig(optimizer="sgd", learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    optimizer, velocity = build_optimizer(layer, config), torch.zeros(1, 2).double()
    for step in range(4):
        gradient = torch.tensor([[1.0 + step, -2.0]])
        layer.weight.grad = gradient.clone()
        optimizer.step()
        decayed = gradient.double() + 0.01 * weight
        velocity = 0.9 * velocity + decayed if step else decayed
        weight = weight - 0.1 * (decayed + 0.9 * velocity)
    torch.testing.assert_close(layer.weight.detach().double(), weight, atol=1e-6, rtol=1e-6)


def test_penalty_gradients_are_sign_and_weight() -> None:
    weight = torch.randn(3, 4, requires_grad=True)
    weight_penalty([weight], l1=0.5, l2=2.0).backward()
    torch.testing.assert_close(weight.grad, 0.5 * weight.detach().sign() + 2.0 * weight.detach())


def test_the_cap_shortens_long_weights_and_leaves_short_ones() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    cap_weight_norms([weight], 1.0)
    torch.testing.assert_close(weight, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
    filters = torch.randn(5, 2, 3, 3) * 10
    cap_weight_norms([filters], 2.0)
    torch.testing.assert_close(filters.flatten(1).norm(dim=1), torch.full((5,), 2.0))
