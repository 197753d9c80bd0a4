"""MACs: multiply-accumulates of convolutions and linear layers for one image."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from convnets.inspection.summary import summarise

__all__ = ["multiply_accumulates"]


def multiply_accumulates(network: nn.Module, input_shape: Sequence[int]) -> int:
    """For one image of C×H×W = `input_shape`; a weight is used once at every place of its layer's output.

    >>> multiply_accumulates(nn.Conv2d(1, 6, kernel_size=5, padding=2), (1, 28, 28))
    117600
    """
    total = 0
    for layer in summarise(network, input_shape).layers:
        module = network.get_submodule(layer.name)
        if isinstance(module, nn.Conv2d | nn.Linear):
            places = math.prod(layer.output_shape[2:]) if isinstance(module, nn.Conv2d) else 1
            total += module.weight.numel() * places
    return total
