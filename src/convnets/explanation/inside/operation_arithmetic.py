"""Operation arithmetic: one number that any operation of a network gives, worked out again from what it takes.

In float64 and from the definition, so that it can be held against what the network gave. C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.errors import InputError, UnknownNameError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.explanation.inside.operation_windows import Window, convolved, pooled_window, scalar_function
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource

__all__ = [
    "OperationArithmetic",
    "Part",
    "followers",
    "node_named",
    "operation_arithmetic",
    "softmax_arithmetic",
]

_PASSES = ("flatten", "dropout", "view", "reshape", "contiguous", "permute", "squeeze", "unsqueeze", "pad")


@dataclass(frozen=True)
class Part:
    """One number that goes into the result."""

    label: str
    value: float


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


@dataclass(frozen=True)
class _Asked:
    """An operation, where it is looked at, and float64 copies of the tensors that it takes, without the batch."""

    node: GraphNode
    module: nn.Module | None
    unit: tuple[int, ...]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Worked:
    formula: str
    parts: tuple[Part, ...]
    result: float
    window: Window | None = None


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
) -> OperationArithmetic:
    """How `operation` makes the number at `unit` of what it gives for one image.

    Args:
        image: float C×H×W or 1×C×H×W, normalized as in training.
        operation: index in the network's graph, or name, such as `features.3` or `stage1.0.add`.
        unit: channel, row, column; a feature alone for vectors.
        graph: of the network for images of this size, where it is at hand.

    Raises UnknownNameError for another operation, InputError for a unit that is not there and for an operation whose
    arithmetic is not known here.

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
    values = node_values(plain, batch, [*node.inputs, own])
    path = graph.calls[node.call].path
    module = dict(plain.named_modules()).get(path)
    asked = _Asked(
        node, module, unit, tuple(values[source][0].detach().double().cpu() for source in node.inputs)
    )
    worked = _work_out(asked)
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


def _work_out(asked: _Asked) -> _Worked:
    known: dict[str, Callable[[_Asked], _Worked]] = {
        "conv2d": _convolution,
        "linear": _linear,
        "batch_norm": _batch_norm,
        "max_pool2d": _pooling,
        "avg_pool2d": _pooling,
        "adaptive_avg_pool2d": _pooling,
        "add": _addition,
        "cat": _concatenation,
        "local_response_norm": _response_norm,
    }
    function = asked.node.function
    if function in known:
        return known[function](asked)
    if function in _PASSES and len(asked.inputs) == 1:
        return _passed(asked)
    scalar = scalar_function(function)
    if scalar is not None and len(asked.inputs) == 1:
        x = float(asked.inputs[0][asked.unit])
        return _Worked(scalar.formula, (Part("x", x),), scalar(x))
    raise InputError(
        f"the arithmetic of {asked.node.name} ({function}) is not known here; allowed: {', '.join(known)}, "
        "activations and what only reshapes"
    )


def _weights(asked: _Asked) -> tuple[Tensor, Tensor | None]:
    weight = getattr(asked.module, "weight", None)
    if not isinstance(weight, Tensor):
        raise InputError(f"{asked.node.name} takes its weights from elsewhere; choose a layer of its own")
    bias = getattr(asked.module, "bias", None)
    return weight.detach().double().cpu(), bias.detach().double().cpu() if isinstance(bias, Tensor) else None


def _summed(window: Window, bias: float | None) -> _Worked:
    assert window.kernel is not None
    products = (window.values * window.kernel).sum((1, 2))
    named = zip(window.channels, products.tolist(), strict=True)
    parts = [Part(f"channel {channel}", value) for channel, value in named]
    if bias is not None:
        parts.append(Part("bias", bias))
    formula = "Σ x·w" + ("" if bias is None else " + b")
    return _Worked(formula, tuple(parts), float(products.sum()) + (bias or 0.0), window)


def _convolution(asked: _Asked) -> _Worked:
    weight, bias = _weights(asked)
    window = convolved(asked.node, asked.inputs[0], weight, asked.unit)
    return _summed(window, None if bias is None else float(bias[asked.unit[0]]))


def _linear(asked: _Asked) -> _Worked:
    weight, bias = _weights(asked)
    x = asked.inputs[0]
    values, kernel = x[:, None, None].numpy(), weight[asked.unit[0]][:, None, None].numpy()
    window = Window(values, kernel, tuple(range(len(x))))
    return _summed(window, None if bias is None else float(bias[asked.unit[0]]))


def _batch_norm(asked: _Asked) -> _Worked:
    norm, channel = asked.module, asked.unit[0]
    mean, variance = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        raise InputError(
            f"{asked.node.name} keeps no running mean and variance; it depends on the whole batch"
        )
    gamma, beta = (getattr(norm, name, None) for name in ("weight", "bias"))
    x, eps = float(asked.inputs[0][asked.unit]), float(asked.node.setting("eps", 1e-5))
    mu, sigma2 = float(mean[channel]), float(variance[channel])
    g = float(gamma.detach()[channel]) if isinstance(gamma, Tensor) else 1.0
    b = float(beta.detach()[channel]) if isinstance(beta, Tensor) else 0.0
    parts = (Part("x", x), Part("μ", mu), Part("σ²", sigma2), Part("ε", eps), Part("γ", g), Part("β", b))
    return _Worked("γ·(x − μ)/√(σ² + ε) + β", parts, g * (x - mu) / (sigma2 + eps) ** 0.5 + b)


def _pooling(asked: _Asked) -> _Worked:
    window, count = pooled_window(asked.node, asked.inputs[0], asked.unit)
    seen = window.values[~np.isnan(window.values)]
    if asked.node.function == "max_pool2d":
        return _Worked("max", (Part("numbers", float(seen.size)),), float(seen.max()), window)
    parts = (Part("Σ x", float(seen.sum())), Part("n", float(count)))
    return _Worked("Σ x / n", parts, float(seen.sum()) / count, window)


def _addition(asked: _Asked) -> _Worked:
    if len(asked.inputs) != 2:
        raise InputError(
            f"{asked.node.name} adds a number to itself or to a constant; its branches are not told"
        )
    values = [float(torch.broadcast_to(x, asked.node.shapes[0][1:])[asked.unit]) for x in asked.inputs]
    return _Worked("a + b", (Part("a", values[0]), Part("b", values[1])), sum(values))


def _concatenation(asked: _Asked) -> _Worked:
    dim = int(asked.node.setting("dim", 0))
    axis = (dim if dim >= 0 else dim + len(asked.node.shapes[0])) - 1
    place = asked.unit[axis]
    for number, x in enumerate(asked.inputs):
        if place < x.shape[axis]:
            unit = (*asked.unit[:axis], place, *asked.unit[axis + 1 :])
            value = float(x[unit])
            return _Worked(f"input {number + 1}, place {place}", (Part("x", value),), value)
        place -= x.shape[axis]
    raise AssertionError(asked.unit)


def _response_norm(asked: _Asked) -> _Worked:
    x, (channel, row, column) = asked.inputs[0], asked.unit
    size = int(asked.node.setting("size", asked.node.setting("argument1", 5)))
    alpha, beta, k = (
        float(asked.node.setting(name, start))
        for name, start in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))
    )
    first = channel - size // 2
    near = x[max(0, first) : first + size, row, column]
    own, squares = float(x[channel, row, column]), float((near**2).sum())
    parts = (
        Part("x", own),
        Part("Σ x²", squares),
        Part("n", float(size)),
        Part("α", alpha),
        Part("β", beta),
        Part("k", k),
    )
    return _Worked("x / (k + α/n · Σ x²)^β", parts, own / (k + alpha / size * squares) ** beta)


def _passed(asked: _Asked) -> _Worked:
    """What is only laid out anew: the place of the unit among the numbers that come in."""
    x, node = asked.inputs[0], asked.node
    if node.function == "pad":
        return _padded(asked)
    shape = node.shapes[0][1:]
    if x.numel() != int(np.prod(shape)) or node.function == "permute":
        raise InputError(f"{node.name} ({node.function}) rearranges numbers; choose the operation before it")
    value = float(x.reshape(-1)[int(np.ravel_multi_index(asked.unit, shape))])
    return _Worked("x", (Part("x", value),), value)


def _padded(asked: _Asked) -> _Worked:
    x, given = asked.inputs[0], [int(side) for side in asked.node.setting("pad", ())]
    before = [0] * x.ndim
    for number in range(len(given) // 2):
        if number < x.ndim:
            before[x.ndim - 1 - number] = given[2 * number]
    place = tuple(unit - left for unit, left in zip(asked.unit, before, strict=True))
    if asked.node.setting("mode", "constant") != "constant":
        raise InputError(
            f"{asked.node.name} pads by {asked.node.setting('mode')}; choose the operation before it"
        )
    if all(0 <= each < side for each, side in zip(place, x.shape, strict=True)):
        value = float(x[place])
        return _Worked("x", (Part("x", value),), value)
    value = float(asked.node.setting("value") or 0.0)
    return _Worked("padding", (Part("padding", value),), value)
