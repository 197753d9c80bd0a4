"""NetworkGraph: what a network computes from its input, as a record: operations, the tensors between them, and modules.

Records only: `graph_trace.py` makes them, `drawing/` draws them, `receptive_field.py` computes over them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from convnets.inspection.formatting import format_shape

__all__ = ["GraphEdge", "GraphNode", "ModuleCall", "NetworkGraph", "TensorSource"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorSource:
    """A tensor, told by the node that made it."""

    node: int
    """Index of the node."""
    output: int = 0
    """Which of its outputs; most have only one."""


@dataclass(frozen=True)
class GraphNode:
    """One operation on the data, or an input of the network."""

    index: int
    """Its place in `NetworkGraph.nodes`, which is the order in which the operations ran."""
    name: str
    """Path of its module, such as stage1.0.conv1, or of the module that calls the function: stage1.0.relu."""
    kind: str
    """Class of the module that does nothing else, such as Conv2d; otherwise the function's name, such as cat."""
    function: str
    """PyTorch's name of the function, such as conv2d; `input`, or `unseen` for work that PyTorch did not report."""
    family: str
    """What it is to a reader: convolution, linear, pooling, activation … (`operations.FAMILIES`)."""
    call: int
    """Index of the innermost module call that it belongs to."""
    inputs: tuple[TensorSource, ...]
    """The tensors that depend on the network's input, in the order of the arguments; weights are not among them."""
    shapes: tuple[Shape, ...]
    """Of its outputs, batch included."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Arguments that are no tensors, by name, such as (("stride", (2, 2)),)."""
    parameters: int = 0
    """Numbers in the parameters that it uses."""

    def setting(self, name: str, default: Any = None) -> Any:
        """One of the settings; `default` where it was not given."""
        return dict(self.settings).get(name, default)


@dataclass(frozen=True)
class ModuleCall:
    """One time that a module ran. A module that is used twice has two calls."""

    index: int
    path: str
    """Its name in the network; empty for the network itself."""
    kind: str
    """Name of its class."""
    parent: int | None
    """Index of the call that it ran in."""


@dataclass(frozen=True)
class GraphEdge:
    """A tensor on its way from one node to another."""

    source: int
    target: int
    shape: Shape
    """Batch included."""


@dataclass(frozen=True)
class NetworkGraph:
    """All operations between the input and the outputs, and the tree of modules that they belong to."""

    network: str
    """Its name in the catalogue, or that of its class."""
    nodes: tuple[GraphNode, ...]
    calls: tuple[ModuleCall, ...]
    """The first is the network itself."""
    outputs: tuple[TensorSource, ...]
    weightless: bool
    """Whether it was traced on the meta device, where nothing is computed; otherwise an image was run through it."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as parts that the image does not reach."""

    @property
    def edges(self) -> tuple[GraphEdge, ...]:
        """Every tensor from every node to every node that takes it."""
        return tuple(
            GraphEdge(each.node, node.index, self.nodes[each.node].shapes[each.output])
            for node in self.nodes
            for each in node.inputs
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: nodes with their settings, edges with their shapes, calls, notes."""
        nodes = [{**asdict(node), "settings": dict(node.settings)} for node in self.nodes]
        return {
            "network": self.network,
            "nodes": nodes,
            "edges": [asdict(edge) for edge in self.edges],
            "calls": [asdict(call) for call in self.calls],
            "outputs": [asdict(source) for source in self.outputs],
            "weightless": self.weightless,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """One line per operation: its number, name, kind, where its inputs come from, and its shape."""
        rows = []
        for node in self.nodes:
            taken = ",".join(str(each.node) for each in node.inputs)
            shape = " ".join(format_shape(shape[1:] or shape) for shape in node.shapes)
            rows.append((str(node.index), node.name, node.kind, taken, shape))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        return "\n".join([self.network, *(line.rstrip() for line in lines), *self.notes])
