"""Stages of a network are what its own layers give, and the network is left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.errors import InputError, UnknownNameError
from convnets.models.catalogue import create_model
from convnets.models.stage import EmbedAndClassify, stage_of


def test_stages_of_the_contract() -> None:
    network, x = create_model("lenet", seed=0), torch.rand(2, 1, 28, 28)
    assert torch.equal(stage_of(network, "pixels")(x), x)
    assert torch.equal(stage_of(network, "features")(x), network.features(x))
    assert torch.equal(stage_of(network, "embed")(x), network.embed(x))
    assert torch.equal(stage_of(network, "logits")(x), network(x))


def test_a_module_by_its_name() -> None:
    first, second = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3)
    network, x = nn.Sequential(first, nn.ReLU(), second, nn.Flatten()), torch.rand(2, 1, 8, 8)
    assert torch.equal(stage_of(network, "1")(x), first(x).relu())
    assert torch.equal(stage_of(network, "2")(x), second(first(x).relu()))
    assert not any(module._forward_hooks for module in network.modules())


def test_layers_after_the_stage_are_not_computed_and_the_hook_goes_when_one_before_fails() -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("reached")

    late = nn.Sequential(nn.ReLU(), Fails())
    assert stage_of(late, "0")(torch.ones(1)) == 1
    early = nn.Sequential(Fails(), nn.ReLU())
    with pytest.raises(RuntimeError, match="reached"):
        stage_of(early, "1")(torch.ones(1))
    assert not early[1]._forward_hooks


def test_both_at_once() -> None:
    network, x = create_model("lenet", seed=0), torch.rand(2, 1, 28, 28)
    vectors, logits = EmbedAndClassify(network)(x)
    assert torch.equal(vectors, network.embed(x))
    assert torch.equal(logits, network(x))


def test_what_is_not_there() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(UnknownNameError, match="unknown stage 'embedd'; nearest: embed"):
        stage_of(plain, "embedd")
    with pytest.raises(InputError, match=r"no features\(\)"):
        stage_of(plain, "features")
    with pytest.raises(InputError, match="linear classifier"):
        EmbedAndClassify(plain)

    class Tuple(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    with pytest.raises(InputError, match="gives tuple"):
        stage_of(nn.Sequential(Tuple(), nn.Identity()), "0")(torch.ones(1))
    unused = nn.ModuleDict({"never": nn.ReLU()})
    unused.forward = lambda x: x  # type: ignore[method-assign, assignment]
    with pytest.raises(InputError, match="never calls never"):
        stage_of(unused, "never")(torch.ones(1))
