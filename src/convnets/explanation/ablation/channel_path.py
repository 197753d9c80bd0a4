"""Channel path: what happens to a layer's channels until other layers read them, and what is saved without some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from convnets.errors import InputError
from convnets.explanation.inside.node_values import weighted_operation
from convnets.inspection.cost.summary import inspect
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource
from convnets.inspection.graph.trace import trace_graph

__all__ = ["ChannelPath", "channel_path", "macs_by_count", "macs_without"]

# functions that do to each channel by itself what they do, and make zeros of zeros
_KEEPS_ZEROS = {
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "tanh",
    "hardswish",
    "mish",
    "hardtanh",
}
_BY_CHANNEL = _KEEPS_ZEROS | {"batch_norm", "sigmoid", "hardsigmoid", "softplus", "dropout"}


@dataclass(frozen=True)
class ChannelPath:
    """From a convolution or linear layer to those that read its channels."""

    layer: str
    channels: int
    switch: str
    """The module after which a channel that is set to zero is as if it were not there."""
    norms: tuple[str, ...]
    """Batch norms on the way."""
    readers: tuple[str, ...]
    """Layers that multiply the channels with weights; empty where others are added or laid beside them before that."""
    spread: int
    """Numbers of a reader's input that one channel becomes: above 1 where maps are flattened before it."""


def channel_path(network: nn.Module, layer: str, image: tuple[int, ...]) -> ChannelPath:
    """The path of the channels of `layer`, a Conv2d of one group or Linear, for an image of C×H×W.

    Raises InputError for another layer, one that is called more than once, and where a channel cannot be taken out
    because what follows does not treat each channel by itself.
    """
    modules = dict(network.named_modules())
    module = modules.get(layer)
    if not isinstance(module, nn.Conv2d | nn.Linear) or getattr(module, "groups", 1) != 1:
        raise InputError(
            f"{layer} is no Conv2d of one group or Linear; channels are taken out of such a layer"
        )
    graph = trace_graph(network, image)
    node = weighted_operation(graph, layer)
    way, readers = _walk(graph, node)
    steps = (node, *way)
    paths = [graph.calls[each.call].path for each in steps]
    # the last module that is one operation on channels; what comes after it must leave zeros zeros
    last = max(
        place
        for place, each in enumerate(steps)
        if each.shapes[0][1] == node.shapes[0][1] and _is_alone(graph, paths[place])
    )
    for each in way[last:]:
        if each.family not in ("pooling", "reshaping", "dropout") and each.function not in _KEEPS_ZEROS:
            raise InputError(
                f"after {paths[last]} comes {each.name} ({each.function}), which makes something else of a zero; "
                f"channels of {layer} cannot be taken out by name"
            )
    end = way[-1] if way else node
    spread = end.shapes[0][1] // node.shapes[0][1] if readers else 1
    norms = tuple(path for path, each in zip(paths[1:], way, strict=True) if each.function == "batch_norm")
    names = tuple(graph.calls[reader.call].path for reader in readers)
    return ChannelPath(layer, node.shapes[0][1], paths[last], norms, names, spread)


def _is_alone(graph: NetworkGraph, path: str) -> bool:
    return bool(path) and sum(graph.calls[each.call].path == path for each in graph.nodes) == 1


def _walk(graph: NetworkGraph, node: GraphNode) -> tuple[list[GraphNode], list[GraphNode]]:
    """Operations that take the channels one by one, and the layers that then read them."""
    way: list[GraphNode] = []
    width = node.shapes[0][1]
    while True:
        users = [each for each in graph.nodes if TensorSource(node.index) in each.inputs]
        if users and all(_reads(each) for each in users):
            return way, users
        if len(users) != 1 or not _by_channel(users[0], width):
            return way, []
        node = users[0]
        way.append(node)


def _reads(node: GraphNode) -> bool:
    groups = node.setting("groups", 1)
    return node.function in ("conv2d", "linear") and len(node.inputs) == 1 and groups in (1, None)


def _by_channel(node: GraphNode, width: int) -> bool:
    if len(node.inputs) != 1 or len(node.shapes) != 1:
        return False
    shape = node.shapes[0]
    if node.family == "reshaping":
        return node.function in ("flatten", "view", "reshape") and len(shape) == 2 and shape[1] % width == 0
    if node.family == "pooling":
        return len(shape) in (2, 4) and shape[1] == width
    return node.function in _BY_CHANNEL or node.family == "dropout"


def macs_without(
    network: nn.Module, path: ChannelPath, image: tuple[int, ...], removed: int
) -> tuple[int, int]:
    """Multiply-accumulates of the whole network for one image: as it is, and without `removed` channels of the layer.

    Saved are the layer's own work for these channels, and the readers' work on them.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    >>> macs_without(network, channel_path(network, "0", (1, 8, 8)), (1, 8, 8), removed=1)
    (2448, 1836)
    """
    whole, *left = macs_by_count(network, path, image, [0, removed])
    return whole, left[0]


def macs_by_count(
    network: nn.Module, path: ChannelPath, image: tuple[int, ...], counts: Sequence[int]
) -> list[int]:
    """Multiply-accumulates of the whole network for one image, without as many channels as each of `counts` says."""
    for removed in counts:
        if not 0 <= removed <= path.channels:
            raise InputError(
                f"{removed} of {path.channels} channels of {path.layer}; allowed: 0 to all of them"
            )
    found = inspect(network, image)
    macs = {row.name: row.macs for row in found.layers}
    touched = sum(macs[name] for name in (path.layer, *path.readers))
    return [found.macs - touched * removed // path.channels for removed in counts]
