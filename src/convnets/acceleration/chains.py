"""Chains: runs of layers in a traced graph that one kernel can do in one pass over memory.

batch norm → sum with a second input → activation → pooling, any of them left out, each used by the next alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from convnets.acceleration.rewriting import only_user
from convnets.kernels.pooling import Pooling

__all__ = ["Chain", "activation_of", "find_chain"]

_ACTIVATION_MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.SiLU: "silu",
}
_ACTIVATION_FUNCTIONS: dict[Callable[..., Any], str] = {
    F.relu: "relu",
    torch.relu: "relu",
    torch.sigmoid: "sigmoid",
    torch.tanh: "tanh",
    F.silu: "silu",
}
_ADDITIONS = (operator.add, torch.add)


@dataclass
class Chain:
    """What was found from one node on; `nodes` in order, the last of them gives the chain's result."""

    nodes: list[fx.Node] = field(default_factory=list)
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None = None
    residual: fx.Node | None = None
    activation: str | None = None
    pooling: Pooling | None = None

    @property
    def source(self) -> fx.Node:
        """The node whose result goes into the chain."""
        first = self.nodes[0].args[0]
        assert isinstance(first, fx.Node)
        return first

    @property
    def pays(self) -> bool:
        """Whether one kernel saves passes over memory: a lone activation is as well left to PyTorch."""
        return self.norm is not None or self.pooling is not None


def find_chain(start: fx.Node, modules: dict[str, nn.Module]) -> Chain | None:
    """The longest chain that begins with `start`, or None where it begins none worth a kernel of its own."""
    if not start.args or not isinstance(start.args[0], fx.Node):
        return None
    chain = Chain()
    norm = _module_of(start, modules)
    node: fx.Node | None = start
    if type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d):
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        chain.norm = norm
        chain.nodes.append(start)
        node = only_user(start)
        if node is not None and _other_summand(node, start) is not None:
            chain.residual = _other_summand(node, start)
            chain.nodes.append(node)
            node = only_user(node)
    if node is not None and (activation := activation_of(node, modules)) is not None:
        chain.activation = activation
        chain.nodes.append(node)
        node = only_user(node)
    if node is not None and (pooling := _pooling_of(node, modules)) is not None:
        chain.pooling = pooling
        chain.nodes.append(node)
    return chain if chain.nodes and chain.pays else None


def activation_of(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    """Name of the activation that `node` computes, or None."""
    module = _module_of(node, modules)
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else None
    if module is not None:
        return _ACTIVATION_MODULES.get(type(module))
    if node.op == "call_function" and callable(node.target) and len(node.args) == 1:
        return _ACTIVATION_FUNCTIONS.get(node.target)
    return None


def _pooling_of(node: fx.Node, modules: dict[str, nn.Module]) -> Pooling | None:
    module = _module_of(node, modules)
    if type(module) is nn.MaxPool2d:
        plain = module.dilation in (1, (1, 1)) and not module.ceil_mode and not module.return_indices
        return Pooling("max", module.kernel_size, module.stride, module.padding) if plain else None
    if type(module) is nn.AvgPool2d:
        plain = not module.ceil_mode and module.count_include_pad and module.divisor_override is None
        return Pooling("average", module.kernel_size, module.stride, module.padding) if plain else None
    return None


def _module_of(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    return modules.get(str(node.target)) if node.op == "call_module" else None


def _other_summand(node: fx.Node, one: fx.Node) -> fx.Node | None:
    """The other of the two nodes that `node` adds up, where `one` is the first or second of them."""
    if node.op != "call_function" or node.target not in _ADDITIONS or node.kwargs or len(node.args) != 2:
        return None
    first, second = node.args
    if not isinstance(first, fx.Node) or not isinstance(second, fx.Node) or first is second:
        return None
    return second if first is one else first
