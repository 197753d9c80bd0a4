"""Undisturbed pass: a network in evaluation mode for a while, as found afterwards, however the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convnets.core.undisturbed import undisturbed
from convnets.errors import InputError
from convnets.inspection.graph.trace import without_compiler
from convnets.inspection.running.preserve_state import preserve_state

__all__ = ["to_network", "undisturbed_pass"]


@contextmanager
def undisturbed_pass(network: nn.Module) -> Iterator[None]:
    """Inside, `network` is in evaluation mode and computes in the precision of its weights, uncompiled.

    Modes, attributes, hooks, buffers, gradients and PyTorch's random numbers are as before after the block, also
    after an error or Ctrl-C. Nothing of a caller's `no_grad`, `inference_mode` or `autocast` holds inside.
    Raises InputError for a network without values: on the meta device, or with lazy weights.
    """
    weights = [*network.parameters(), *network.buffers()]
    if any(is_lazy(each) for each in weights):
        raise InputError(
            f"{type(network).__name__} has weights without a shape; run one batch through it first"
        )
    if any(each.is_meta for each in weights):
        raise InputError(f"{type(network).__name__} is on the meta device, without weights; build it on cpu")
    device = weights[0].device.type if weights else "cpu"
    with (
        torch.inference_mode(False),
        torch.autocast(device, enabled=False),
        without_compiler(),
        preserve_state(network),
        undisturbed(network),
    ):
        network.eval()
        yield


def to_network(network: nn.Module, images: Tensor) -> Tensor:
    """`images` on the device and in the type of the network's weights. Raises InputError for what is no batch."""
    if not isinstance(images, Tensor) or images.ndim < 2 or not images.is_floating_point():
        shown = (
            f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        )
        raise InputError(f"images are {shown}; allowed: a float tensor N×C×H×W, normalized as in training")
    weight = next((each for each in network.parameters() if each.is_floating_point()), None)
    return images.detach() if weight is None else images.detach().to(weight.device, weight.dtype)
