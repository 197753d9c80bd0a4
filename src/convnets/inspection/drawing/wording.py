"""Wording: what a row of a drawing says about an operation beside its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convnets.inspection.graph.network_graph import GraphNode

__all__ = ["describe"]


def describe(node: GraphNode) -> str:
    """The settings that a reader wants to see; what is usual is left out.

    >>> from torch import nn
    >>> from convnets.inspection.graph.trace import trace_graph
    >>> graph = trace_graph(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), (3, 9, 9))
    >>> describe(graph.nodes[1])
    '3×3, stride 2, padding 1'
    """
    if node.family == "convolution":
        return _convolution(node)
    if node.family == "pooling":
        return _pooling(node)
    if node.family == "dropout":
        return f"p = {node.setting('p', 0.5):g}"
    if node.function == "interpolate":
        return str(node.setting("mode", "nearest"))
    if node.function in ("mul", "div", "add", "sub", "pow"):
        number = node.setting("argument1")
        return f"{number:g}" if isinstance(number, int | float) else ""
    return ""


def _sides(value: Any, axes: int) -> str:
    """A window as people write it, with one side for each axis."""
    sides = value if isinstance(value, tuple | list) else (value,) * axes
    return "×".join("any" if side is None else str(side) for side in sides)


def _amount(value: Any) -> str:
    """A number for all axes, or one for each."""
    if isinstance(value, tuple | list):
        return str(value[0]) if len(set(value)) == 1 else _sides(value, len(value))
    return str(value)


def _axes(node: GraphNode) -> int:
    return next((int(letter) for letter in node.function if letter in "123"), 1)


def _is_all(value: Any, usual: int) -> bool:
    return set(value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)) == {usual}


def _unusual(node: GraphNode, **usual: int) -> list[str]:
    return [
        f"{name} {_amount(value)}"
        for name, usually in usual.items()
        if (value := node.setting(name)) is not None and not _is_all(value, usually)
    ]


def _convolution(node: GraphNode) -> str:
    kernel = node.setting("kernel_size")
    words = [_sides(kernel, _axes(node))] if kernel else []
    words += _unusual(node, stride=1, padding=0, dilation=1)
    groups = node.setting("groups", 1)
    if groups > 1:
        words.append("depthwise" if groups == node.setting("filters") else f"{groups} groups")
    return ", ".join(words)


def _pooling(node: GraphNode) -> str:
    if node.function.startswith("adaptive"):
        return f"to {_sides(node.setting('output_size', 1), _axes(node))}"
    kernel = node.setting("kernel_size")
    if kernel is None:
        return ""
    words = [_sides(kernel, _axes(node))]
    stride = node.setting("stride")
    words.append(f"stride {_amount(kernel if stride in (None, ()) else stride)}")
    words += _unusual(node, padding=0, dilation=1)
    if node.setting("ceil_mode"):
        words.append("ceil")
    return ", ".join(words)
