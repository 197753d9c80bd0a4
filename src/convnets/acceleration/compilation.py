"""On a GPU: eager, compiled, or compiled into CUDA graphs, whichever is fastest for this network and batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.core.network_copy import copy_network

__all__ = ["CompiledForward", "choose_compilation", "compilations"]

Compile = Callable[[nn.Module], Callable[[Tensor], Tensor]]

_STEPS = 10  # timed for each way, after as many that are not
_WORTH = 0.95  # another way than eager must take less than this share of its time


@dataclass(frozen=True)
class CompiledForward:
    """The way that was chosen, and what each took."""

    forward: Callable[[Tensor], Tensor]
    way: str
    seconds: Mapping[str, float]
    """Seconds of a forward and backward pass, for each way that worked."""


def compilations() -> dict[str, Compile]:
    """The ways that are tried, eager first. Graphs pay where launching a small network's kernels takes longest."""
    return {
        "eager": lambda network: network,
        "compile": lambda network: torch.compile(network, dynamic=False),
        "compile with CUDA graphs": lambda network: torch.compile(
            network, dynamic=False, mode="reduce-overhead"
        ),
    }


def choose_compilation(
    network: nn.Module,
    images: Tensor,
    ways: Mapping[str, Compile] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> CompiledForward:
    """Measure each way on copies of `network` with `images`, and take the fastest on `network` itself.

    Batches of another shape than `images`, such as the last of an epoch, go through `network` as it is, so that
    nothing is compiled again. A way that fails is left out; eager is kept unless another is 5 % faster.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> choose_compilation(network, torch.rand(3, 1, 2, 2), {"eager": lambda network: network}).way
    'eager'
    """
    ways = compilations() if ways is None else ways
    seconds = {}
    for name, compile_network in ways.items():
        try:
            seconds[name] = _time(compile_network, network, images, clock)
        except Exception:
            if name == "eager":
                raise
    way = min(seconds, key=lambda name: seconds[name])
    if seconds[way] > _WORTH * seconds["eager"]:
        way = "eager"
    compiled = ways[way](network)

    def forward(batch: Tensor) -> Tensor:
        return compiled(batch) if batch.shape == images.shape else network(batch)

    return CompiledForward(network if way == "eager" else forward, way, seconds)


def _time(compile_network: Compile, network: nn.Module, images: Tensor, clock: Callable[[], float]) -> float:
    """Seconds of one forward and backward pass on a copy, whose running statistics and gradients go with it."""
    forward = compile_network(copy_network(network))
    for steps in (_STEPS, _STEPS):  # the first round compiles and warms up
        _wait(images)
        started = clock()
        for _ in range(steps):
            forward(images).float().square().mean().backward()  # type: ignore[no-untyped-call]
        _wait(images)
        taken = (clock() - started) / steps
    return taken


def _wait(images: Tensor) -> None:
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
