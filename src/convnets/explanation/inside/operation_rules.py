"""Operation rules: how each kind of operation makes one number, from its definition, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.explanation.inside.operation_windows import Window, convolved, pooled_window, scalar_function
from convnets.inspection.graph.network_graph import GraphNode

__all__ = ["AskedUnit", "Part", "WorkedUnit", "work_out"]

_PASSES = ("flatten", "dropout", "view", "reshape", "contiguous", "permute", "squeeze", "unsqueeze", "pad")


@dataclass(frozen=True)
class Part:
    """One number that goes into the result."""

    label: str
    value: float


@dataclass(frozen=True)
class AskedUnit:
    """An operation, where it is looked at, and float64 copies of the tensors that it takes, without the batch."""

    node: GraphNode
    module: nn.Module | None
    unit: tuple[int, ...]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class WorkedUnit:
    """The number, and what it was put together from."""

    formula: str
    parts: tuple[Part, ...]
    result: float
    window: Window | None = None


def work_out(asked: AskedUnit) -> WorkedUnit:
    """The number at the unit. Raises InputError for an operation whose arithmetic is not known here."""
    known: dict[str, Callable[[AskedUnit], WorkedUnit]] = {
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
        return WorkedUnit(scalar.formula, (Part("x", x),), scalar(x))
    raise InputError(
        f"the arithmetic of {asked.node.name} ({function}) is not known here; allowed: {', '.join(known)}, "
        "activations and what only reshapes"
    )


def _weights(asked: AskedUnit) -> tuple[Tensor, Tensor | None]:
    weight = getattr(asked.module, "weight", None)
    if not isinstance(weight, Tensor):
        raise InputError(f"{asked.node.name} takes its weights from elsewhere; choose a layer of its own")
    bias = getattr(asked.module, "bias", None)
    return weight.detach().double().cpu(), bias.detach().double().cpu() if isinstance(bias, Tensor) else None


def _summed(window: Window, bias: float | None) -> WorkedUnit:
    assert window.kernel is not None
    products = (window.values * window.kernel).sum((1, 2))
    named = zip(window.channels, products.tolist(), strict=True)
    parts = [Part(f"channel {channel}", value) for channel, value in named]
    if bias is not None:
        parts.append(Part("bias", bias))
    formula = "Σ x·w" + ("" if bias is None else " + b")
    return WorkedUnit(formula, tuple(parts), float(products.sum()) + (bias or 0.0), window)


def _convolution(asked: AskedUnit) -> WorkedUnit:
    weight, bias = _weights(asked)
    window = convolved(asked.node, asked.inputs[0], weight, asked.unit)
    return _summed(window, None if bias is None else float(bias[asked.unit[0]]))


def _linear(asked: AskedUnit) -> WorkedUnit:
    weight, bias = _weights(asked)
    x = asked.inputs[0]
    values, kernel = x[:, None, None].numpy(), weight[asked.unit[0]][:, None, None].numpy()
    window = Window(values, kernel, tuple(range(len(x))))
    return _summed(window, None if bias is None else float(bias[asked.unit[0]]))


def _batch_norm(asked: AskedUnit) -> WorkedUnit:
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
    return WorkedUnit("γ·(x − μ)/√(σ² + ε) + β", parts, g * (x - mu) / (sigma2 + eps) ** 0.5 + b)


def _pooling(asked: AskedUnit) -> WorkedUnit:
    window, count = pooled_window(asked.node, asked.inputs[0], asked.unit)
    seen = window.values[~np.isnan(window.values)]
    if asked.node.function == "max_pool2d":
        return WorkedUnit("max", (Part("numbers", float(seen.size)),), float(seen.max()), window)
    parts = (Part("Σ x", float(seen.sum())), Part("n", float(count)))
    return WorkedUnit("Σ x / n", parts, float(seen.sum()) / count, window)


def _addition(asked: AskedUnit) -> WorkedUnit:
    if len(asked.inputs) != 2:
        raise InputError(
            f"{asked.node.name} adds a number to itself or to a constant; its branches are not told"
        )
    values = [float(torch.broadcast_to(x, asked.node.shapes[0][1:])[asked.unit]) for x in asked.inputs]
    return WorkedUnit("a + b", (Part("a", values[0]), Part("b", values[1])), sum(values))


def _concatenation(asked: AskedUnit) -> WorkedUnit:
    dim = int(asked.node.setting("dim", 0))
    axis = (dim if dim >= 0 else dim + len(asked.node.shapes[0])) - 1
    place = asked.unit[axis]
    for number, x in enumerate(asked.inputs):
        if place < x.shape[axis]:
            unit = (*asked.unit[:axis], place, *asked.unit[axis + 1 :])
            value = float(x[unit])
            return WorkedUnit(f"input {number + 1}, place {place}", (Part("x", value),), value)
        place -= x.shape[axis]
    raise AssertionError(asked.unit)


def _response_norm(asked: AskedUnit) -> WorkedUnit:
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
    return WorkedUnit("x / (k + α/n · Σ x²)^β", parts, own / (k + alpha / size * squares) ** beta)


def _passed(asked: AskedUnit) -> WorkedUnit:
    """What is only laid out anew: the place of the unit among the numbers that come in."""
    x, node = asked.inputs[0], asked.node
    if node.function == "pad":
        return _padded(asked)
    shape = node.shapes[0][1:]
    if x.numel() != int(np.prod(shape)) or node.function == "permute":
        raise InputError(f"{node.name} ({node.function}) rearranges numbers; choose the operation before it")
    value = float(x.reshape(-1)[int(np.ravel_multi_index(asked.unit, shape))])
    return WorkedUnit("x", (Part("x", value),), value)


def _padded(asked: AskedUnit) -> WorkedUnit:
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
        return WorkedUnit("x", (Part("x", value),), value)
    value = float(asked.node.setting("value") or 0.0)
    return WorkedUnit("padding", (Part("padding", value),), value)
