"""MACs: multiply-accumulates of convolutions and matrix products for one image."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from convnets.inspection.cost.summary import inspect

__all__ = ["multiply_accumulates"]


def multiply_accumulates(network: nn.Module, input_shape: Sequence[int]) -> int:
    """For one image of C×H×W = `input_shape`; `convnets.inspect` tells whose they are.

    >>> multiply_accumulates(nn.Conv2d(1, 6, kernel_size=5, padding=2), (1, 28, 28))
    117600
    """
    return inspect(network, input_shape, training=False, fields=False).macs
