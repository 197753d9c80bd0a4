"""On a GPU: eager or compiled, whichever is faster for this network and batch once it is recorded as a CUDA graph."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convnets.acceleration.cuda_graph import Record
from convnets.core.network_copy import copy_network

__all__ = ["CompiledForward", "choose_compilation", "compilations"]

Compile = Callable[[nn.Module], Callable[[Tensor], Tensor]]

_STEPS = 10  # timed for each way, after as many that are not
_SHORT = 120  # seconds
_WORTH = 0.95  # another way than eager must take less than this share of its time


@dataclass(frozen=True)
class CompiledForward:
    """The way that was chosen, and what each took."""

    forward: Callable[[Tensor], Tensor]
    way: str
    seconds: Mapping[str, float]
    """Seconds of a forward and backward pass, for each way that worked."""


def compilations() -> dict[str, Compile]:
    """The ways that are tried, eager first."""
    return {
        "eager": lambda network: network,
        "compile": lambda network: torch.compile(network, dynamic=False),
    }


def choose_compilation(
    network: nn.Module,
    images: Tensor,
    ways: Mapping[str, Compile] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    record: Record | None = None,
    steps: int | None = None,
) -> CompiledForward:
    """Measure each way on copies of `network` with `images`, and take the fastest on `network` itself.

    Batches of another shape than `images`, such as the last of an epoch, go through `network` as it is, so that
    nothing is compiled again. A way that fails is left out; eager is kept unless another is 5 % faster. With `record`
    each is measured as a replay of what that recorded, where it can be. Where the run has only as many `steps` as eager
    does in two minutes, nothing is compiled: that takes most of a minute itself.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> choose_compilation(network, torch.rand(3, 1, 2, 2), {"eager": lambda network: network}).way
    'eager'
    """
    ways = compilations() if ways is None else ways
    seconds: dict[str, float] = {}
    for name, compile_network in ways.items():
        if steps is not None and seconds and steps * seconds["eager"] < _SHORT:
            break
        try:
            with torch.random.fork_rng([images.device] if images.is_cuda else []):
                seconds[name] = _time(compile_network, network, images, clock, record)
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


def _time(
    compile_network: Compile,
    network: nn.Module,
    images: Tensor,
    clock: Callable[[], float],
    record: Record | None,
) -> float:
    """Seconds of one forward and backward pass on a copy, whose running statistics and gradients go with it.

    Random numbers that it draws are not missing afterwards.
    """
    copied = copy_network(network)
    forward = compile_network(copied)

    def compute() -> tuple[Tensor, Tensor]:
        copied.zero_grad(set_to_none=True)
        torch.clear_autocast_cache()  # else the weights would be rounded once for all steps
        loss = forward(images).float().square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), loss.detach()

    run: Callable[[], object] = compute
    if record is not None:
        with contextlib.suppress(RuntimeError):
            run, _ = record(compute)
    for steps in (_STEPS, _STEPS):  # the first round compiles and warms up
        _wait(images)
        started = clock()
        for _ in range(steps):
            run()
        _wait(images)
        taken = (clock() - started) / steps
    return taken


def _wait(images: Tensor) -> None:
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
