"""Undisturbed: a network can be run to learn something about it, and is afterwards as it was before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["undisturbed"]


@contextlib.contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Put values of buffers, modes of modules and PyTorch's random numbers back after the block.

    Parameters are not copied: do not train inside. Gradients belong to who asks for them: use `torch.autograd.grad`.

    >>> norm = nn.BatchNorm1d(2)
    >>> with undisturbed(norm):
    ...     _ = norm(torch.rand(4, 2))
    >>> norm.running_mean, int(norm.num_batches_tracked)
    (tensor([0., 0.]), 0)
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {tensor.device for tensor in (*network.parameters(), *network.buffers())}
    try:
        with torch.random.fork_rng(devices=[device for device in devices if device.type == "cuda"]):
            yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
