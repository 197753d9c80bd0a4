"""A network as a graph of calls, where that is safe: it is then rewritten and run in the network's place."""

from __future__ import annotations

from torch import fx, nn

__all__ = ["Calls", "trace"]


class Calls(fx.Tracer):
    """Follows the calls of a network down to PyTorch's own layers and those of `convnets.layers`.

    The latter decide by shapes and by their mode, which are only known when they run.
    """

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
