"""volumes: the tensors that everything goes through, as a row of blocks whose sides are those of the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convnets.inspection.drawing.wording import describe
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, Shape

__all__ = ["Volume", "volumes_of"]

_MOST = 24
_LIGHT = ("normalization", "activation", "dropout")


@dataclass(frozen=True)
class Volume:
    """A tensor, and what made it of the one before."""

    shape: Shape
    """C×H×W, or D, without the batch."""
    step: str
    """The layer or block that made it, such as Conv2d 5×5."""
    family: str
    path: str
    """Name of the operation."""
    times: int = 1
    """How many such steps in a row gave this shape."""


def volumes_of(graph: NetworkGraph) -> list[Volume]:
    """The tensors of a network that are its only way from one part to the next, in order.

    In a chain those are all; of a network with branches, what comes out where they meet. Normalization, activation
    and dropout are left out, since they change no shape, and repetitions are counted. Of more than 24 tensors, those
    at the end of the network's larger parts stay.

    >>> from torch import nn
    >>> from convnets.inspection.graph.trace import trace_graph
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    >>> [(volume.shape, volume.step) for volume in volumes_of(trace_graph(network, (1, 8, 8)))]
    [((1, 8, 8), 'input'), ((4, 6, 6), 'Conv2d 3×3'), ((144,), 'Flatten')]
    """
    passages = _passages(graph)
    volumes: list[tuple[Volume, int]] = []
    before = -1
    for node in passages:
        shape = node.shapes[0][1:] or node.shapes[0]
        light = node.family in _LIGHT or node.function.startswith("adaptive")
        if volumes and light and node.index == before + 1 and shape == volumes[-1][0].shape:
            volumes[-1] = (volumes[-1][0], node.index)
        else:
            volumes.append((_volume(graph, node, before, shape), node.index))
        before = node.index
    return _counted(_thinned([volume for volume, _ in volumes]))


def _passages(graph: NetworkGraph) -> list[GraphNode]:
    """Nodes that no tensor goes past."""
    furthest = -1
    reach = [-1] * len(graph.nodes)
    for node in graph.nodes:
        for source in node.inputs:
            reach[source.node] = max(reach[source.node], node.index)
    found = []
    for node in graph.nodes:
        if furthest <= node.index:
            found.append(node)
        furthest = max(furthest, reach[node.index])
    return found


def _volume(graph: NetworkGraph, node: GraphNode, before: int, shape: Shape) -> Volume:
    if node.index == before + 1 or before < 0:
        words = describe(node).split(", ")[0] if node.family in ("convolution", "pooling") else ""
        return Volume(shape, f"{node.kind} {words}".strip(), node.family, node.name)
    call = graph.calls[node.call]  # the block whose branches meet here
    return Volume(shape, call.kind if call.index else node.kind, "block", node.name)


def _thinned(volumes: Sequence[Volume]) -> list[Volume]:
    if len(_counted(volumes)) <= _MOST:
        return list(volumes)
    for depth in range(6, 0, -1):
        parts = [".".join(volume.path.split(".")[:depth]) for volume in volumes]
        last = [
            replace(volume, step=part.split(" ")[0], family="block")
            if place and part == parts[place - 1]
            else volume
            for place, (volume, part) in enumerate(zip(volumes, parts, strict=True))
            if place == len(parts) - 1 or parts[place + 1] != part
        ]
        if len(last) <= _MOST:
            return last
    return list(volumes)


def _counted(volumes: Sequence[Volume]) -> list[Volume]:
    done: list[Volume] = []
    for volume in volumes:
        if done and (done[-1].shape, done[-1].step) == (volume.shape, volume.step):
            done[-1] = replace(done[-1], times=done[-1].times + 1)
        else:
            done.append(volume)
    return done
