"""Copies of networks that `copy.deepcopy` refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from convnets.core.network_copy import copy_network


def test_a_pruned_network_is_copied_and_left_as_it_was() -> None:
    layer = prune.random_unstructured(nn.Linear(4, 3), "weight", 0.5)
    x = torch.rand(2, 4)
    computed = layer.weight
    twin = copy_network(layer)
    assert layer.weight is computed
    assert torch.equal(twin(x), layer(x))
    with torch.no_grad():
        twin.weight_orig.add_(1)
    assert not torch.equal(twin(x), layer(x))


def test_a_network_that_cannot_be_copied_is_left_as_it_was() -> None:
    layer = prune.random_unstructured(nn.Linear(4, 3), "weight", 0.5)
    layer.rows = (row for row in ())  # a generator cannot be copied
    computed = layer.weight
    with pytest.raises(TypeError):
        copy_network(layer)
    assert layer.weight is computed
