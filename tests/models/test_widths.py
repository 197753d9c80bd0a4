"""Width is a factor on the channels: parameters by hand, and 1 changes nothing."""

from __future__ import annotations

import pytest
import torch

from convnets.errors import ConfigError
from convnets.models.catalogue import create_model


def parameters(name: str, width: float) -> int:
    return sum(each.numel() for each in create_model(name, width=width).parameters())


def test_parameters_are_those_counted_by_hand() -> None:
    assert parameters("mlp", 2) == 784 * 512 + 512 + 512 * 10 + 10
    convolutions = (25 * 12 + 12) + 2 * 12 + (12 * 32 * 25 + 32) + 2 * 32
    hidden = (16 * 32 * 240 + 240) + 2 * 240 + (240 * 168 + 168) + 2 * 168
    assert parameters("lenet_bn", 2) == convolutions + hidden + 168 * 10 + 10
    whole = create_model("speednet", widths=(32, 64, 128))
    assert parameters("speednet", 0.5) == sum(each.numel() for each in whole.parameters())
    assert create_model("lenet_bn", width=0.5).embedding_size == 42


@pytest.mark.parametrize("name", ["mlp", "lenet_bn", "speednet"])
def test_one_is_the_network_itself(name: str) -> None:
    plain, one = (create_model(name, seed=0, **own).state_dict() for own in ({}, {"width": 1}))
    assert all(torch.equal(plain[key], one[key]) for key in plain)


@pytest.mark.parametrize("width", [0, -1, True, "2", float("nan")])
def test_what_is_no_width_is_refused(width: object) -> None:
    with pytest.raises(ConfigError, match="allowed: a factor above 0"):
        create_model("mlp", width=width)
