"""How a network's weights lie in memory: with their channels last while only known layers use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["channels_last_inside", "make_channels_last"]


def make_channels_last(network: nn.Module) -> list[Tensor]:
    """Lay out the contiguous 4-D weights and buffers of `network` with their channels last; returns those."""
    tensors = [*network.parameters(), *network.buffers()]
    moved = [tensor for tensor in tensors if tensor.dim() == 4 and tensor.is_contiguous()]
    for tensor in moved:
        _lay_out(tensor, torch.channels_last)
    return moved


@contextlib.contextmanager
def channels_last_inside(network: nn.Module) -> Iterator[None]:
    """Keep the weights of `network` with their channels last inside the block.

    Convolutions are faster on them. Code that calls `weight.view(…)` needs them contiguous, so those that were are so
    again after the block. Values never change, and the parameters stay the same objects.

    >>> layer = nn.Conv2d(3, 4, 3)
    >>> with channels_last_inside(layer):
    ...     layer.weight.is_contiguous()
    False
    >>> layer.weight.is_contiguous()
    True
    """
    moved = make_channels_last(network)
    try:
        yield
    finally:
        for tensor in moved:
            _lay_out(tensor, torch.contiguous_format)


def _lay_out(tensor: Tensor, memory_format: torch.memory_format) -> None:
    tensor.data = tensor.data.contiguous(memory_format=memory_format)
    if tensor.grad is not None:
        tensor.grad = tensor.grad.contiguous(memory_format=memory_format)
