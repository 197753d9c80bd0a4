"""Node values: what operations of a network's graph give for images, those among them that no module makes too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.capture.undisturbed_pass import to_network, undisturbed_pass
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource
from convnets.inspection.graph.recording import GraphRecorder
from convnets.inspection.graph.trace import trace_graph

__all__ = ["graph_for", "node_values", "weighted_operation"]


def graph_for(network: nn.Module, images: Tensor) -> NetworkGraph:
    """The graph of `network` for images of the size of N×C×H×W `images`."""
    return trace_graph(plain_network(network), tuple(images.shape[1:]))


def node_values(
    network: nn.Module, images: Tensor, sources: Sequence[TensorSource]
) -> dict[TensorSource, Tensor]:
    """Copies of tensors of the graph for float images N×C×H×W, normalized; the network is left as found.

    The images go through together: give as many as fit. The graph is that of `graph_for`.

    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> source = TensorSource(1)
    >>> node_values(network, torch.zeros(5, 1, 4, 4), [source])[source].shape
    torch.Size([5, 2, 2, 2])
    """
    network = plain_network(network)
    with undisturbed_pass(network), torch.no_grad():
        x = to_network(network, images).clone()
        recorder = GraphRecorder(network, (x,), keep={source.node for source in sources})
        with recorder.watching():
            network(x)
    return {source: recorder.kept[source.node][source.output] for source in sources}


def weighted_operation(graph: NetworkGraph, layer: str) -> GraphNode:
    """The convolution or linear map that the module `layer` computes; raises InputError unless it does so once."""
    found = [
        each
        for each in graph.nodes
        if graph.calls[each.call].path == layer
        and each.function in ("conv2d", "linear")
        and len(each.inputs) == 1
    ]
    if len(found) != 1:
        raise InputError(f"{layer} is called {len(found)} times; choose a layer that is called once")
    return found[0]
