"""A slice of a network: from one of its modules to another, as a network of its own that shares the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import fx, nn

from convnets.acceleration.tracing import Calls
from convnets.errors import UsageError
from convnets.inspection.parameters.listing import no_such_name
from convnets.inspection.running.preserve_state import preserve_state

__all__ = ["slice_network"]


def slice_network(network: nn.Module, first: str | None = None, last: str | None = None) -> fx.GraphModule:
    """What happens to a tensor between the input of module `first` and the output of module `last`.

    Args:
        network: any network whose calls can be followed without running it.
        first: path of a module, such as `stage2`; None is the network's own input. Where it is called several times,
            the first call.
        last: path of a module; None is the network's own output. Where it is called several times, the last call.

    Weights, buffers and modes are the network's own, not copies, under the same names. A single module needs none of
    this: `network.stage3` is a network. Raises UnknownNameError for a path that is not there and UsageError where
    `last` needs more than the input of `first`, or where the calls cannot be followed.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [name for name, _ in slice_network(network, "1").named_parameters()]
    ['2.weight', '2.bias']
    """
    names = {path: _first_path(network, path) for path in (first, last) if path is not None}
    with preserve_state(network):  # tracing leaves the constants that it meets as attributes
        graph = _trace(network)
        sliced = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        if first is not None:
            copies[_input_of(graph, names[first])] = sliced.placeholder("x")
        end = _output_of(graph, names[last]) if last is not None else _returned(graph)
        for node in _needed(end, set(copies)):
            if node.op == "placeholder" and first is not None:
                raise UsageError(
                    f"{last or 'the output'} needs more than what goes into {first}; start earlier, where one "
                    "tensor carries everything"
                )
            copies[node] = sliced.node_copy(node, lambda old: copies[old])
        sliced.output(fx.map_arg(end, lambda node: copies[node]))
        if first is not None and not next(iter(sliced.nodes)).users:
            raise UsageError(
                f"{last or 'the output'} does not come from {first}; give the earlier one as first"
            )
        return fx.GraphModule(network, sliced, class_name=f"{type(network).__name__}Slice")


def _first_path(network: nn.Module, path: str) -> str:
    """A module at several places is known by the first of them."""
    every: dict[str, nn.Module] = dict(network.named_modules(remove_duplicate=False))
    if path not in every or not path:
        raise no_such_name("module", path, [name for name in every if name])
    return next(name for name, module in every.items() if module is every[path])


def _trace(network: nn.Module) -> fx.Graph:
    try:
        return Calls().trace(network)
    except Exception as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(
            f"the calls of {type(network).__name__} cannot be followed: {why}; take single modules of it instead"
        ) from error


def _call_keys(node: fx.Node, path: str) -> list[str]:
    """What tells this call of the module from its others; empty where the node is not inside it."""
    stack: dict[str, tuple[str, Any]] = node.meta.get("nn_module_stack", {})
    return [key for key, (own, _) in stack.items() if own == path]


def _inside(graph: fx.Graph, path: str, *, last_call: bool) -> list[fx.Node]:
    found = [(keys[0], node) for node in graph.nodes if (keys := _call_keys(node, path))]
    if not found:
        raise UsageError(f"{path} computes nothing when the network runs; choose a module that does")
    key = found[-1 if last_call else 0][0]
    return [node for own, node in found if own == key]


def _input_of(graph: fx.Graph, path: str) -> fx.Node:
    inside = _inside(graph, path, last_call=False)
    outside = {
        source: None for node in inside for source in node.all_input_nodes if source not in inside
    }  # in the order of their use
    given = [node for node in outside if node.op != "get_attr"]
    if len(given) != 1:
        raise UsageError(
            f"{path} takes {len(given)} tensors from the network; start at a module that takes one"
        )
    return given[0]


def _output_of(graph: fx.Graph, path: str) -> fx.Node:
    inside = _inside(graph, path, last_call=True)
    given = [node for node in inside if any(user not in inside for user in node.users)]
    if len(given) != 1:
        raise UsageError(f"{path} gives {len(given)} tensors to the network; end at a module that gives one")
    return given[0]


def _returned(graph: fx.Graph) -> Any:
    return next(node for node in graph.nodes if node.op == "output").args[0]


def _needed(end: Any, given: set[fx.Node]) -> Iterator[fx.Node]:
    """The nodes that `end` depends on, in the order in which they run, up to those that are given."""
    wanted: dict[fx.Node, None] = {}
    fx.map_arg(end, lambda node: wanted.setdefault(node))
    waiting = list(wanted)
    while waiting:
        for source in [] if (node := waiting.pop()) in given else node.all_input_nodes:
            if source not in wanted:
                wanted[source] = None
                waiting.append(source)
    ends = list(wanted)
    order = ends[0].graph.nodes if ends else ()
    yield from (node for node in order if node in wanted and node not in given)
