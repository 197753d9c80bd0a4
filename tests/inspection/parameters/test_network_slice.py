"""Slices of networks: put together again they compute what the whole does, on the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import UnknownNameError, UsageError
from convnets.inspection.parameters.network_slice import slice_network
from convnets.models.catalogue import create_model

# network, side, the last module of the first half and the first of the second
HALVES = [
    ("lenet", 28, "convolutions.2", "convolutions.3"),
    ("lenet_bn", 28, "convolutions", "hidden"),
    ("nin", 67, "blocks.3", "blocks.4"),
    ("googlenet", 48, "inception.4c", "inception.4d"),
    ("resnet18_d2l", 64, "stage2", "stage3"),
    ("resnet18", 64, "stage2.0", "stage2.1"),
    ("densenet_d2l", 64, "transition1", "block2"),
    ("densenet121", 64, "trunk.transition1", "trunk.block2"),
]


@pytest.mark.parametrize(("name", "side", "last", "first"), HALVES, ids=[row[0] for row in HALVES])
def test_two_halves_are_the_whole(name: str, side: int, last: str, first: str) -> None:
    network = create_model(name, seed=0).eval()
    x = torch.rand(2, network.in_channels, side, side)
    lower, upper = slice_network(network, last=last), slice_network(network, first=first)
    with torch.no_grad():
        torch.testing.assert_close(upper(lower(x)), network(x))
    own = {id(p) for p in network.parameters()}
    parts = [id(p) for part in (lower, upper) for p in part.parameters()]
    assert set(parts) == own
    assert len(parts) == len(own)


def test_a_slice_has_the_names_and_the_very_weights() -> None:
    network = create_model("resnet18_d2l")
    part = slice_network(network, "stage2", "stage3.0")
    names = [name for name, _ in part.named_parameters()]
    assert names == [
        name for name, _ in network.named_parameters() if name.startswith(("stage2.", "stage3.0."))
    ]
    assert all(network.get_parameter(name) is part.get_parameter(name) for name in names)
    assert part(torch.rand(2, 64, 8, 8)).shape == (2, 256, 2, 2)


def test_a_module_inside_another() -> None:
    network = create_model("resnet18_d2l").eval()
    block, x = network.get_submodule("stage2.1"), torch.rand(2, 128, 8, 8)
    torch.testing.assert_close(slice_network(network, "stage2.1", "stage2")(x), block(x))
    path = slice_network(network, "stage2.1.conv1", "stage2.1.bn2")
    torch.testing.assert_close(path(x), block.bn2(block.conv2(block.bn1(block.conv1(x)).relu())))
    with pytest.raises(
        UsageError, match=r"stage2 needs more than what goes into stage2\.1\.conv2; start earlier"
    ):
        slice_network(network, "stage2.1.conv2", "stage2")


def test_modules_that_run_several_times() -> None:
    shared = nn.Linear(3, 3)
    network = nn.Sequential(shared, nn.ReLU(), shared, nn.Tanh())
    x = torch.rand(2, 3)
    torch.testing.assert_close(slice_network(network, "0", "2")(x), shared(shared(x).relu()))
    torch.testing.assert_close(slice_network(network, last="0")(x), shared(shared(x).relu()))
    torch.testing.assert_close(slice_network(network, "1", "1")(x), x.relu())


class WithConstant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x) + torch.ones(3))


def test_the_network_is_left_as_found() -> None:
    network = WithConstant()
    before = set(vars(network)), set(network._buffers), set(network._modules)
    x = torch.rand(2, 3)
    torch.testing.assert_close(slice_network(network)(x), network(x))
    assert (set(vars(network)), set(network._buffers), set(network._modules)) == before


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) if x.sum() > 0 else x


def test_what_cannot_be_cut_is_explained() -> None:
    network = create_model("resnet18_d2l")
    with pytest.raises(UnknownNameError, match="unknown module 'stage9'; nearest: stage"):
        slice_network(network, "stage9")
    with pytest.raises(UsageError, match="stage1 needs more than what goes into stage3"):
        slice_network(network, "stage3", "stage1")
    with pytest.raises(UsageError, match="the calls of Deciding cannot be followed"):
        slice_network(Deciding(), "one")
