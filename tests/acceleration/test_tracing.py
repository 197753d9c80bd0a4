"""Tracing stops at layers that decide by shapes and modes: ours are calls, as PyTorch's are."""

from __future__ import annotations

import threading

import torch
from torch import nn

from convnets.acceleration.tracing import trace
from convnets.acceleration.training import accelerate
from convnets.kernels.convolutions.plan import ONEDNN
from convnets.layers import (
    AveragePool,
    BatchNorm,
    Convolution,
    Dropout,
    Linear,
    MaxPool,
    Residual,
    Sequential,
)


def written_out() -> Sequential:
    torch.manual_seed(0)
    return Sequential(
        Convolution(1, 4, 3, padding=1),
        BatchNorm(4),
        nn.ReLU(),
        MaxPool(2),
        Residual(4, 4),
        AveragePool(2),
        nn.Flatten(),
        Dropout(0.5),
        Linear(16, 3),
    )


def test_written_out_layers_are_one_call_and_blocks_are_opened() -> None:
    kinds = [type(module).__name__ for module in trace(written_out()).modules()]
    assert "Convolution" in kinds
    targets = [str(node.target) for node in trace(written_out()).graph.nodes if node.op == "call_module"]
    assert targets[:5] == ["0", "1", "2", "3", "4.conv1"]


def test_the_twin_follows_mode_and_moves_statistics() -> None:
    own, through = written_out(), written_out()
    twin = accelerate(through, lambda shape: ONEDNN).network
    x = torch.rand(6, 1, 8, 8)
    for network in (own, through):
        network.train()
    outputs = []
    for call in (own, twin):
        torch.manual_seed(1)
        outputs.append(call(x))
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(own.state_dict(), through.state_dict())
    assert int(through[1].num_batches_tracked) == 1


def test_other_threads_compute_as_usual_while_one_traces() -> None:
    """PyTorch patches nn.Module for the whole process while it traces."""
    begun, seen = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            begun.set()
            assert seen.wait(10)
            return self.inner(x)  # type: ignore[no-any-return]

    other, x, found = written_out().eval(), torch.randn(2, 1, 8, 8), []
    expected = other(x)
    thread = threading.Thread(target=lambda: found.append(trace(Waits())))
    thread.start()
    assert begun.wait(10)
    try:
        assert torch.equal(other(x), expected)
    finally:
        seen.set()
        thread.join()
    assert [node.op for node in found[0].graph.nodes] == ["placeholder", "call_module", "output"]
