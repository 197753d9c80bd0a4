"""Autograd nodes: the operations that lead from an image to a number, as PyTorch records them."""

from __future__ import annotations

from typing import Any, Protocol, cast

__all__ = ["AutogradNode", "nodes_below"]


class AutogradNode(Protocol):
    """What is used of `torch.autograd.graph.Node`."""

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that made the operation's inputs, each with the number of its output."""

    def name(self) -> str:
        """The operation, such as `ReluBackward0`."""

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(found, given)` after the node; what it returns takes the place of the gradients found."""

    def _sequence_nr(self) -> int:
        """Counts upwards with each operation of a thread."""


def nodes_below(root: Any) -> list[AutogradNode]:
    """`root` and every node that it comes from, each once; empty for None, the node of a constant.

    >>> import torch
    >>> y = torch.relu(torch.ones(2, requires_grad=True)).sum()
    >>> [node.name().rstrip("0123456789") for node in nodes_below(y.grad_fn)]
    ['SumBackward', 'ReluBackward', 'torch::autograd::AccumulateGrad']
    """
    found: dict[AutogradNode, None] = {}
    waiting = [] if root is None else [cast(AutogradNode, root)]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting += [each for each, _ in node.next_functions if each is not None]
    return list(found)
