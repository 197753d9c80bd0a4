"""Weights lie with their channels last inside, and as they were found after it."""

from __future__ import annotations

import torch
from torch import nn

from convnets.core.memory_layout import channels_last_inside


def test_contiguous_weights_and_gradients_are_contiguous_again() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(1, 2, 3), nn.Linear(2, 2))
    weight = network[0].weight
    values = weight.detach().clone()
    network[0](torch.rand(2, 3, 5, 5)).sum().backward()
    gradient = weight.grad.clone()
    with channels_last_inside(network):
        assert network[0].weight is weight
        assert weight.is_contiguous(memory_format=torch.channels_last)
        assert weight.grad.is_contiguous(memory_format=torch.channels_last)
    assert weight.is_contiguous()
    assert weight.grad.is_contiguous()
    assert torch.equal(weight, values)
    assert torch.equal(weight.grad, gradient)


def test_weights_that_were_laid_out_by_the_user_stay_so() -> None:
    layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    with channels_last_inside(layer):
        pass
    assert not layer.weight.is_contiguous()
