"""Memory that inspect predicts on the meta device, against the allocator of real passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from convnets.inspection.cost.summary import inspect
from convnets.models.catalogue import create_model

NETWORKS = {
    "mlp": (1, 28, 28),
    "lenet_bn": (1, 28, 28),
    "alexnet_d2l": (1, 80, 80),
    "nin": (1, 96, 96),
    "googlenet": (1, 48, 48),
    "resnet18_d2l": (1, 48, 48),
    "densenet_d2l": (1, 40, 40),
    "resnet20": (3, 32, 32),
    "densenet_bc100": (3, 32, 32),
}


def built(name: str) -> nn.Module:
    fixed = {"input_size": 80} if name == "alexnet_d2l" else {}
    return create_model(name, num_classes=10, **fixed)  # type: ignore[arg-type]


def allocations(network: nn.Module, x: torch.Tensor) -> list[int]:
    """Bytes allocated (+) and freed (−) by one pass, in time; a convolution's workspace left out.

    Workspace is what is allocated and freed inside one convolution.
    """
    network(x)  # the first pass may keep memory for the kernels
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = network(x)
    assert kept is not None
    tree = profiler.profiler.kineto_results.experimental_event_tree()
    found = sorted(event for root in tree for event in _events(root, 0))
    workspace: set[int] = set()
    opened: dict[int, int] = {}
    for place, (_, pointer, size, convolution) in enumerate(found):
        if size > 0:
            opened[pointer] = place
        elif pointer in opened:
            begin = opened.pop(pointer)
            if convolution and found[begin][3] == convolution:
                workspace |= {begin, place}
    return [size for place, (_, _, size, _) in enumerate(found) if place not in workspace]


def _events(node: Any, convolution: int) -> Iterator[tuple[int, int, int, int]]:
    """Time, address, bytes, and the convolution that it is inside of."""
    if node.name.startswith("aten::convolution"):
        convolution = id(node)
    if node.name == "[memory]":
        yield node.start_time_ns, node.extra_fields.ptr, node.extra_fields.alloc_size, convolution
    for child in node.children:
        yield from _events(child, convolution)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_peak_of_evaluation_is_that_of_the_allocator(name: str) -> None:
    network, x = built(name).eval(), torch.rand(1, *NETWORKS[name])
    live = peak = x.numel() * x.element_size()
    with torch.no_grad():
        for change in allocations(network, x):
            live += change
            peak = max(peak, live)
    assert inspect(network, NETWORKS[name], training=False, fields=False).peak_bytes == peak


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("images", [2, 5])
def test_what_training_keeps_is_what_a_real_pass_leaves_allocated(name: str, images: int) -> None:
    network = built(name).train()
    x = torch.rand(images, *NETWORKS[name])
    left = sum(allocations(network, x))
    logits = images * 10 * 4
    found = inspect(network, NETWORKS[name])
    assert found.kept_bytes is not None
    assert found.kept_bytes_per_batch is not None
    kept = found.kept_bytes * images + found.kept_bytes_per_batch
    # the image was there before, and the logits are kept by whoever asked for them
    assert kept == left + x.numel() * x.element_size() - logits


def test_a_chain_by_hand() -> None:
    network = nn.Sequential(nn.Linear(10, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(inplace=True))
    found = inspect(network, (10,))
    # float32; the image stays, and an output is made while the input is there
    assert [layer.peak_bytes for layer in found.layers] == [4 * 40, 4 * 70, 4 * 60, 4 * 30]
    assert found.peak_bytes == 4 * 70
    # the image for the first weight, the first ReLU's output for both, the second's for itself
    assert [layer.kept_bytes for layer in found.layers] == [4 * 10, 4 * 30, 0, 4 * 20]
    assert (found.kept_bytes, found.kept_bytes_per_batch) == (4 * 60, 0)


def test_frozen_layers_keep_nothing() -> None:
    network = nn.Sequential(nn.Linear(10, 30), nn.ReLU(), nn.Linear(30, 20))
    network[0].requires_grad_(False)
    found = inspect(network, (10,))
    assert found.kept_bytes == 4 * 30  # the last layer's input
    assert inspect(network.requires_grad_(False), (10,)).kept_bytes == 0


def test_checkpointing_keeps_only_what_goes_in() -> None:
    class Thrifty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(10, 30), nn.Sigmoid(), nn.Linear(30, 10))
            self.last = nn.Linear(10, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = checkpoint(self.block, x, use_reentrant=False)
            return self.last(y)  # type: ignore[no-any-return]

    whole = nn.Sequential(nn.Linear(10, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Linear(10, 10))
    assert inspect(whole, (10,)).kept_bytes == 4 * (10 + 30 + 10)
    assert inspect(Thrifty(), (10,)).kept_bytes == 4 * (10 + 10)


def test_half_precision_takes_half() -> None:
    network = nn.Sequential(nn.Linear(10, 30), nn.ReLU())
    single, half = inspect(network, (10,)), inspect(network.half(), (10,))
    assert (half.peak_bytes, half.weight_bytes) == (single.peak_bytes // 2, single.weight_bytes // 2)
