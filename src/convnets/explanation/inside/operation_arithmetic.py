"""Operation arithmetic: one number that any operation of a network gives, worked out again from what it takes.

In float64 and from the definition, so that it can be held against what the network gave. C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.errors import InputError, UnknownNameError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.explanation.inside.operation_rules import AskedUnit, Part, work_out
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource

__all__ = [
    "OperationArithmetic",
    "Part",
    "followers",
    "node_named",
    "operation_arithmetic",
    "softmax_arithmetic",
]


@dataclass(frozen=True, eq=False)
class OperationArithmetic:
    """How an operation makes one number."""

    node: int
    """Index of the operation in the graph; −1 for the softmax after the logits."""
    name: str
    kind: str
    unit: tuple[int, ...]
    """Channel, row and column; the feature alone for vectors."""
    formula: str
    """In signs, such as `Σ x·w + b`."""
    parts: tuple[Part, ...]
    """What is put together, in order: products, bias; mean, variance, γ, β; the branches of an addition …"""
    result: float
    """By the formula, in float64."""
    given: float
    """What the network gave there, in its own precision."""
    windows: NDArray[np.float64] | None = None
    """C×K×K: what a kernel lies on, or what is pooled; NaN where a pooling looks beyond the border."""
    kernel: NDArray[np.float64] | None = None
    """C×K×K: the weights on it."""
    channels: tuple[int, ...] = ()
    """Numbers of the input channels of the windows."""

    @property
    def difference(self) -> float:
        """How far the network's number is from the formula's: rounding, or a mistake."""
        return self.given - self.result

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "node": self.node,
            "name": self.name,
            "kind": self.kind,
            "unit": list(self.unit),
            "formula": self.formula,
            "parts": [{"label": part.label, "value": part.value} for part in self.parts],
            "result": self.result,
            "given": self.given,
            "windows": None if self.windows is None else _or_none(self.windows.tolist()),
            "kernel": None if self.kernel is None else self.kernel.tolist(),
            "channels": list(self.channels),
        }

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}) at {','.join(map(str, self.unit))}: {self.formula} = {self.result:.9g}"


def _or_none(values: Any) -> Any:
    """Nested lists with None for NaN, which JSON has no word for."""
    if isinstance(values, list):
        return [_or_none(each) for each in values]
    return None if values != values else values


def node_named(graph: NetworkGraph, name: str) -> GraphNode:
    """The operation of that name, the last where several bear it. Raises UnknownNameError."""
    found = [node for node in graph.nodes if node.name == name]
    if not found:
        raise UnknownNameError("operation", name, [node.name for node in graph.nodes])
    return found[-1]


def followers(graph: NetworkGraph, node: GraphNode) -> list[GraphNode]:
    """Norms, activations and dropouts that take this operation's output alone and keep its shape, in order."""
    found: list[GraphNode] = []
    while True:
        users = [each for each in graph.nodes if TensorSource(node.index) in each.inputs]
        alone = len(users) == 1 and len(users[0].inputs) == 1 and users[0].shapes[0] == node.shapes[0]
        if not alone or users[0].family not in ("normalization", "activation", "dropout"):
            return found
        node = users[0]
        found.append(node)


def operation_arithmetic(
    network: nn.Module,
    image: Tensor,
    operation: int | str,
    unit: tuple[int, ...],
    *,
    graph: NetworkGraph | None = None,
    values: Mapping[TensorSource, Tensor] | None = None,
) -> OperationArithmetic:
    """How `operation` makes the number at `unit` of what it gives for one image.

    Args:
        image: float C×H×W or 1×C×H×W, normalized as in training.
        operation: index in the network's graph, or name, such as `features.3` or `stage1.0.add`.
        unit: channel, row, column; a feature alone for vectors.
        graph: of the network for images of this size, where it is at hand.
        values: what the operations give for this image, as `node_values` has them, where they are at hand.

    Raises UnknownNameError for another operation, InputError for a unit that is not there and for an operation whose
    arithmetic is not known here.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.MaxPool2d(2))
    >>> _ = nn.init.ones_(network[0].weight)
    >>> found = operation_arithmetic(network, torch.arange(9.0).reshape(1, 3, 3), "1", (0, 0, 0))
    >>> found.formula, found.result, found.given
    ('max', 24.0, 24.0)
    """
    plain = plain_network(network)
    batch = image[None] if image.ndim == 3 else image
    graph = graph or graph_for(plain, batch)
    node = node_named(graph, operation) if isinstance(operation, str) else _node_at(graph, operation)
    _check_unit(node, unit)
    own = TensorSource(node.index)
    wanted = [*node.inputs, own]
    if values is None or not all(source in values for source in wanted):
        values = node_values(plain, batch, wanted)
    path = graph.calls[node.call].path
    module = dict(plain.named_modules()).get(path)
    asked = AskedUnit(
        node, module, unit, tuple(values[source][0].detach().double().cpu() for source in node.inputs)
    )
    worked = work_out(asked)
    window = worked.window
    return OperationArithmetic(
        node.index,
        node.name,
        node.kind,
        unit,
        worked.formula,
        worked.parts,
        worked.result,
        float(values[own][(0, *unit)]),
        None if window is None else window.values,
        None if window is None else window.kernel,
        () if window is None else window.channels,
    )


def softmax_arithmetic(logits: Tensor, target: int, classes: tuple[str, ...] = ()) -> OperationArithmetic:
    """The probability of class `target` from logits K: exp(z − max z), over the sum of all.

    >>> import torch
    >>> round(softmax_arithmetic(torch.tensor([0.0, 0.0]), 1).result, 6)
    0.5
    """
    z = logits.detach().double().cpu()
    if z.ndim != 1 or not 0 <= target < len(z):
        raise InputError(f"class {target} of logits {tuple(z.shape)}; allowed: 0 to {len(z) - 1}")
    powers = (z - z.max()).exp()
    names = classes or tuple(map(str, range(len(z))))
    parts = tuple(Part(name, value) for name, value in zip(names, powers.tolist(), strict=True))
    given = float(logits.detach().float().softmax(0)[target])
    formula = "exp(z − max z) / Σ exp(z − max z)"
    result = float(powers[target] / powers.sum())
    return OperationArithmetic(-1, "softmax", "Softmax", (target,), formula, parts, result, given)


def _node_at(graph: NetworkGraph, index: int) -> GraphNode:
    if not 0 <= index < len(graph.nodes):
        raise InputError(f"operation {index}; the graph has 0 to {len(graph.nodes) - 1}")
    return graph.nodes[index]


def _check_unit(node: GraphNode, unit: tuple[int, ...]) -> None:
    shape = node.shapes[0][1:]
    if len(unit) != len(shape) or not all(
        0 <= place < side for place, side in zip(unit, shape, strict=False)
    ):
        raise InputError(
            f"unit {', '.join(map(str, unit))} of {node.name}, which gives {'×'.join(map(str, shape))}; "
            "allowed: one place for each side, counted from 0"
        )
