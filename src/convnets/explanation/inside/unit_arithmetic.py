"""Unit arithmetic: one number of a feature map, worked out term by term. C channels, K×K pixels of a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.core.display.text_table import aligned
from convnets.errors import InputError, UnknownNameError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.inside.node_values import graph_for, node_values, weighted_operation
from convnets.explanation.inside.operation_windows import convolved
from convnets.explanation.pictures.colors import scale_of
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource

__all__ = ["UnitArithmetic", "unit_arithmetic"]

_SHOWN = 12  # channels in the picture; the text has all of them


@dataclass(frozen=True, eq=False)
class UnitArithmetic(Shown):
    """activation(Σ over channels of (window · kernel) + bias), with every number."""

    layer: str
    unit: tuple[int, ...]
    """Channel, row and column of the convolution's map; the feature alone for a linear layer."""
    channels: tuple[int, ...]
    """Numbers of the input channels that the kernel looks at (more than one group: only some)."""
    windows: NDArray[np.float64]
    """C×K×K: what the kernel lies on, zeros in the padding; C×1×1 for a linear layer."""
    kernel: NDArray[np.float64]
    """C×K×K: the weights."""
    bias: float | None
    given: float
    """What the layer itself gave there."""
    then: tuple[tuple[str, str, float], ...]
    """What happens to the number afterwards: layer, kind, and what it gives at the same place."""

    @property
    def products(self) -> NDArray[np.float64]:
        """C: Σ over the window of window × kernel, for each channel."""
        products: NDArray[np.float64] = (self.windows * self.kernel).sum((1, 2))
        return products

    @property
    def total(self) -> float:
        """Σ of the products, and the bias."""
        return float(self.products.sum()) + (self.bias or 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, every factor among them."""
        return {
            "layer": self.layer,
            "unit": list(self.unit),
            "channels": list(self.channels),
            "windows": self.windows.tolist(),
            "kernel": self.kernel.tolist(),
            "products": self.products.tolist(),
            "bias": self.bias,
            "sum": self.total,
            "given": self.given,
            "then": [{"layer": name, "kind": kind, "value": value} for name, kind, value in self.then],
        }

    def __str__(self) -> str:
        rows = [
            (f"channel {channel}", f"{product:+.6g}")
            for channel, product in zip(self.channels, self.products, strict=True)
        ]
        rows.append(("bias", "none" if self.bias is None else f"{self.bias:+.6g}"))
        rows.append((f"sum, {self.layer}", f"{self.total:+.6g}"))
        rows += [(f"{name} ({kind})", f"{value:+.6g}") for name, kind, value in self.then]
        return aligned((f"unit {','.join(map(str, self.unit))}", "value"), rows, right=(1,))

    def grid(self) -> TileGrid:
        """Window × kernel = product for the channels that count most, and the sum in words."""
        products = self.products
        order = np.argsort(-np.abs(products), kind="stable")[:_SHOWN]
        scales = [scale_of(values) for values in (self.windows, self.kernel, self.windows * self.kernel)]
        rows = []
        for index in order:
            pieces = self.windows[index], self.kernel[index], self.windows[index] * self.kernel[index]
            tiles = [Tile(scale.color(piece)) for scale, piece in zip(scales, pieces, strict=True)]
            tiles[2] = Tile(tiles[2].pixels, [f"Σ = {products[index]:+.4g}"])
            rows.append(TileRow(f"channel {self.channels[index]}", tiles))
        return TileGrid(
            f"Unit {', '.join(map(str, self.unit))} of {self.layer}",
            [self._words(len(order))],
            rows,
            headings=(("input", 1), ("× kernel", 1), ("= product", 1)),
            side=96 if self.kernel.shape[1] > 1 else 24,
        )

    def _words(self, shown: int) -> str:
        rest = f" (the {shown} that count most are shown)" if shown < len(self.channels) else ""
        bias = "no bias" if self.bias is None else f"the bias {self.bias:+.4g}"
        channels = f"{len(self.channels)} channel{'s' * (len(self.channels) != 1)}"
        words = f"Σ over {channels}{rest} {self.products.sum():+.4g}, {bias}: {self.total:+.4g}."
        steps = "".join(f" Then {kind} makes {value:+.4g}." for _, kind, value in self.then)
        return f"{words}{steps} Each column has a scale of its own; blue is below zero, red above where there is any."

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.grid().figure()

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return self.grid().save(path)


def unit_arithmetic(
    network: nn.Module, image: Tensor, layer: str, channel: int, row: int = 0, column: int = 0
) -> UnitArithmetic:
    """How `layer` makes the number at `channel`, `row`, `column` of its map, for one image.

    y[o, i, j] = Σ_c Σ_{u,v} x[c, i·stride + u·dilation − padding, …] · w[o, c, u, v] + b[o], and for a linear layer
    y[o] = Σ_c x[c] · w[o, c] + b[o], computed in float64 from the very tensor that the layer gets.

    Args:
        image: float C×H×W or 1×C×H×W, normalized as in training.
        layer: a Conv2d or Linear of the network.

    Raises UnknownNameError for another layer, InputError for a unit that is not in its map.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU())
    >>> _ = nn.init.ones_(network[0].weight)
    >>> print(unit_arithmetic(network, torch.ones(1, 4, 4), "0", 1, 0, 0))
    unit 1,0,0  value
    channel 0      +9
    bias         none
    sum, 0         +9
    1 (ReLU)       +9
    """
    plain = plain_network(network)
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise InputError(f"image is {tuple(image.shape)}; allowed: one image, C×H×W or 1×C×H×W")
    known = {name: each for name, each in plain.named_modules() if isinstance(each, nn.Conv2d | nn.Linear)}
    if layer not in known:
        raise UnknownNameError("convolution or linear layer", layer, known)
    graph = graph_for(plain, batch)
    node = weighted_operation(graph, layer)
    unit = _checked_unit(layer, node.shapes[0], channel, row, column)
    after = list(_followers(graph, node))
    sources = [node.inputs[0], *(TensorSource(each.index) for each in (node, *after))]
    values = node_values(plain, batch, sources)
    windows, kernel, channels = _factors(known[layer], node, values[sources[0]], unit)
    bias = known[layer].bias
    return UnitArithmetic(
        layer,
        unit,
        channels,
        windows.cpu().numpy(),
        kernel.cpu().numpy(),
        None if bias is None else float(bias.detach()[channel]),
        float(values[sources[1]][(0, *unit)]),
        tuple((each.name, each.kind, float(values[TensorSource(each.index)][(0, *unit)])) for each in after),
    )


def _checked_unit(layer: str, shape: tuple[int, ...], channel: int, row: int, column: int) -> tuple[int, ...]:
    unit = (channel, row, column) if len(shape) == 4 else (channel,)
    if len(shape) not in (2, 4) or any(
        not 0 <= place < side for place, side in zip(unit, shape[1:], strict=True)
    ):
        raise InputError(
            f"unit {', '.join(map(str, unit))} of {layer}; its map is {'×'.join(map(str, shape[1:]))}, "
            "counted from 0"
        )
    return unit


def _followers(graph: NetworkGraph, node: GraphNode) -> Iterator[GraphNode]:
    """Operations that take this one's output alone and keep its shape: batch norm, activation, dropout."""
    while True:
        users = [each for each in graph.nodes if TensorSource(node.index) in each.inputs]
        if len(users) != 1 or len(users[0].inputs) != 1 or users[0].shapes[0] != node.shapes[0]:
            return
        node = users[0]
        if node.family not in ("normalization", "activation"):
            return
        yield node


def _factors(
    module: nn.Module, node: GraphNode, taken: Tensor, unit: tuple[int, ...]
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Window and kernel, float64 C×K×K, and which channels they are."""
    weight: Tensor = module.weight.detach().double().cpu()  # type: ignore[operator]
    x = taken.detach().double().cpu()[0]
    if weight.ndim == 2:
        return x[:, None, None], weight[unit[0]][:, None, None], tuple(range(len(x)))
    window = convolved(node, x, weight, unit)
    assert window.kernel is not None
    return torch.from_numpy(window.values), torch.from_numpy(window.kernel), window.channels
