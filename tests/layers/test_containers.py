"""The sequential container against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.errors import UsageError
from convnets.layers.containers import Sequential


def layers() -> list[nn.Module]:
    shared = nn.Linear(4, 4)
    return [nn.Linear(3, 4), nn.ReLU(), shared, nn.Tanh(), shared]


def test_equal_to_pytorchs() -> None:
    given = layers()
    own, builtin = Sequential(*given), nn.Sequential(*given)
    x = torch.rand(2, 3)
    assert torch.equal(own(x), builtin(x))
    assert list(own.state_dict()) == list(builtin.state_dict())
    assert [name for name, _ in own.named_parameters()] == [name for name, _ in builtin.named_parameters()]
    assert len(own) == 5
    assert own[-1] is given[-1]


def test_a_slice_is_a_network_that_shares_its_weights() -> None:
    own = Sequential(*layers())
    first, rest = own[:2], own[2:]
    x = torch.rand(2, 3)
    assert torch.equal(rest(first(x)), own(x))
    assert next(first.parameters()) is next(own.parameters())


def test_empty_and_out_of_range() -> None:
    x = torch.rand(2, 3)
    assert Sequential()(x) is x
    with pytest.raises(UsageError, match="layer 5 of a container of 5; allowed: 0 to 4"):
        Sequential(*layers())[5]
