"""Operation windows: what a convolution or pooling looks at for one unit, and functions of a single number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convnets.inspection.graph.network_graph import GraphNode
from convnets.inspection.receptive_field.window_rules import numbers

__all__ = ["ScalarFunction", "Window", "convolved", "pooled_window", "scalar_function"]


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of what an operation takes, and the weights on it."""

    values: NDArray[np.float64]
    """C×K×K; NaN where a pooling looks beyond the border, which does not count."""
    kernel: NDArray[np.float64] | None
    """C×K×K, or None where there are no weights."""
    channels: tuple[int, ...]


@dataclass(frozen=True)
class ScalarFunction:
    """A function of one number."""

    formula: str
    function: Callable[[float], float]

    def __call__(self, x: float) -> float:
        """Its value."""
        return self.function(x)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


_SCALAR = {
    "relu": ScalarFunction("max(0, x)", lambda x: max(0.0, x)),
    "relu_": ScalarFunction("max(0, x)", lambda x: max(0.0, x)),
    "relu6": ScalarFunction("min(6, max(0, x))", lambda x: min(6.0, max(0.0, x))),
    "sigmoid": ScalarFunction("1 / (1 + exp(−x))", _sigmoid),
    "tanh": ScalarFunction("tanh x", math.tanh),
    "silu": ScalarFunction("x / (1 + exp(−x))", lambda x: x * _sigmoid(x)),
    "gelu": ScalarFunction("x · Φ(x)", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
}


def scalar_function(name: str) -> ScalarFunction | None:
    """PyTorch's function of that name; None where it is not one of a single number.

    >>> scalar_function("relu")(-2.0), scalar_function("conv2d")
    (0.0, None)
    """
    return _SCALAR.get(name)


def convolved(node: GraphNode, x: Tensor, weight: Tensor, unit: tuple[int, ...]) -> Window:
    """What the kernel of `unit` = (channel, row, column) lies on in x, float64 C×H×W; zeros in the padding."""
    kernel = weight[unit[0]]
    sides = tuple(kernel.shape[1:])
    stride, dilation = (numbers(node.setting(name, 1), 2) for name in ("stride", "dilation"))
    (top, left), (bottom, right) = _padding(node, sides, dilation)
    padded = F.pad(x, (left, right, top, bottom))
    size = len(kernel)
    first = unit[0] // (len(weight) // int(node.setting("groups", 1) or 1)) * size
    rows, columns = (
        slice(place * step, place * step + (side - 1) * gap + 1, gap)
        for place, step, side, gap in zip(unit[1:], stride, sides, dilation, strict=True)
    )
    values = padded[first : first + size, rows, columns].numpy()
    return Window(values, kernel.numpy(), tuple(range(first, first + size)))


def _padding(
    node: GraphNode, kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    given = node.setting("padding", 0)
    if given == "valid":
        given = 0
    if given == "same":  # the odd one of an even kernel goes to the far side
        whole = [gap * (side - 1) for side, gap in zip(kernel, dilation, strict=True)]
        return tuple(each // 2 for each in whole), tuple(each - each // 2 for each in whole)
    return (numbers(given, 2),) * 2


def pooled_window(node: GraphNode, x: Tensor, unit: tuple[int, ...]) -> tuple[Window, int]:
    """What `unit` pools of x, float64 C×H×W, and by how many numbers an average divides."""
    spans = [_span(node, axis, place, x.shape[1 + axis]) for axis, place in enumerate(unit[1:])]
    kernel = [len(places) for places, _ in spans]
    window = torch.full((kernel[0], kernel[1]), math.nan, dtype=torch.float64)
    for row, source_row in enumerate(spans[0][0]):
        for column, source_column in enumerate(spans[1][0]):
            if 0 <= source_row < x.shape[1] and 0 <= source_column < x.shape[2]:
                window[row, column] = x[unit[0], source_row, source_column]
    inside = int((~window.isnan()).sum())
    whole = node.function == "avg_pool2d" and node.setting("count_include_pad", True)
    count = spans[0][1] * spans[1][1] if whole else inside
    divisor = node.setting("divisor_override")
    return Window(window[None].numpy(), None, (unit[0],)), int(divisor or count)


def _span(node: GraphNode, axis: int, place: int, side: int) -> tuple[list[int], int]:
    """Places along an axis that are pooled, and how many of them count with the padding."""
    if node.function == "adaptive_avg_pool2d":
        sizes = node.setting("output_size", 1)
        wanted = sizes[axis] if isinstance(sizes, list | tuple) else sizes
        wanted = side if wanted is None else int(wanted)
        first, last = place * side // wanted, -(-(place + 1) * side // wanted)
        return list(range(first, last)), last - first
    kernel = numbers(node.setting("kernel_size", 1), 2)[axis]
    given = node.setting("stride")
    stride = kernel if given in (None, [], ()) else numbers(given, 2)[axis]
    padding, gap = (
        numbers(node.setting(name, start), 2)[axis] for name, start in (("padding", 0), ("dilation", 1))
    )
    first = place * stride - padding
    # a window that ceil mode lets reach beyond the padding counts only as far as the padding goes
    counted = min(first + kernel, side + padding) - first
    return [first + gap * number for number in range(kernel)], counted
