"""Dense blocks: what is concatenated, in which order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convnets.models.catalogue import create_model
from convnets.models.papers.densenet import DenseLayer, dense_block, transition


def test_a_dense_layer_appends_to_its_input() -> None:
    layer = DenseLayer(6, growth=4).eval()
    x = torch.randn(2, 6, 5, 5)
    y = layer(x)
    assert y.shape == (2, 10, 5, 5)
    assert torch.equal(y[:, :6], x)
    # batch norm in evaluation starts as x / √(1 + ε)
    first = F.conv2d(F.relu(x / (1 + 1e-5) ** 0.5), layer.conv1.weight)
    second = F.conv2d(F.relu(first / (1 + 1e-5) ** 0.5), layer.conv2.weight, padding=1)
    torch.testing.assert_close(y[:, 6:], second)


def test_a_block_and_a_transition() -> None:
    x = dense_block(3, 8, growth=4)(torch.rand(2, 8, 6, 6))
    assert x.shape == (2, 20, 6, 6)
    assert transition(20)(x).shape == (2, 10, 3, 3)


@pytest.mark.parametrize(
    ("name", "depth"), [("densenet_bc100", 100), *((f"densenet{d}", d) for d in (121, 161, 169, 201))]
)
def test_depth_counts_convolutions_and_the_linear_layer(name: str, depth: int) -> None:
    with torch.device("meta"):
        network = create_model(name)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()) == depth
