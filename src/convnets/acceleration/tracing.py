"""A network as a graph of calls, where that is safe: it is then rewritten and run in the network's place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from torch import fx, nn

__all__ = ["Calls", "trace"]

_ONE_AT_A_TIME = threading.RLock()


class Calls(fx.Tracer):
    """Follows the calls of a network down to PyTorch's own layers and those of `convnets.layers`.

    The latter decide by shapes and by their mode, which are only known when they run. While PyTorch traces it patches
    `nn.Module` for the whole process; what other threads compute meanwhile goes its usual way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def trace(
        self, root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
    ) -> fx.Graph:
        """The graph; one thread after the other."""
        with _ONE_AT_A_TIME:
            return super().trace(root, concrete_args)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A call to be written down, or one of another thread, which is none of ours."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A parameter to be written down, or one that another thread asks for."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether `m` stays one call."""
        written_out = type(m).__module__.startswith("convnets.layers.") and not any(m.children())
        return written_out or super().is_leaf_module(m, module_qualified_name)


def trace(network: nn.Module) -> fx.GraphModule:
    """The calls that `network` makes, on its very modules: weights, buffers and modes are shared, not copied.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> [str(node) for node in trace(network).graph.nodes]
    ['input_1', '_0', '_1', 'output']
    """
    return fx.GraphModule(network, Calls().trace(network))
