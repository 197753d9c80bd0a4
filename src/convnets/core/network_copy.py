"""A copy of a network, also of one whose weights are computed anew in each forward pass."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn

__all__ = ["copy_network"]

Network = TypeVar("Network", bound=nn.Module)


def copy_network(network: Network) -> Network:
    """A deep copy with weights, buffers, hooks and modes of its own.

    `copy.deepcopy` refuses tensors that were computed from others. Pruning, and weight norm and spectral norm of the
    old style, keep such tensors as attributes: they recompute them before each forward pass, so the copy gets
    their values without their history.

    >>> import torch
    >>> from torch.nn.utils import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=0.5)
    >>> copy_network(layer)(torch.ones(1, 4)).shape
    torch.Size([1, 2])
    """
    computed = [
        (module.__dict__, name, value)
        for module in network.modules()
        for name, value in module.__dict__.items()
        if isinstance(value, Tensor) and not value.is_leaf
    ]
    for attributes, name, value in computed:
        attributes[name] = value.detach().clone()
    try:
        return copy.deepcopy(network)
    finally:
        for attributes, name, value in computed:
            attributes[name] = value
