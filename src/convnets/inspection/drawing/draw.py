"""draw: a network as a picture, its graph or its volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from convnets.core.storage.files import write_text
from convnets.errors import UsageError
from convnets.inspection.drawing.arrange import arrange
from convnets.inspection.drawing.graph_svg import graph_svg
from convnets.inspection.drawing.volumes import volumes_of
from convnets.inspection.drawing.volumes_svg import volumes_svg
from convnets.inspection.formatting import format_shape
from convnets.inspection.graph.network_graph import NetworkGraph
from convnets.inspection.graph.trace import trace_graph

__all__ = ["STYLES", "Drawing", "draw"]

STYLES = ("graph", "volumes")


@dataclass(frozen=True)
class Drawing:
    """A picture of a network, and the record that it was drawn from. A notebook shows it by itself."""

    graph: NetworkGraph
    style: str
    svg: str = field(repr=False)
    """The whole picture as SVG; it needs no other file."""

    def __repr__(self) -> str:
        return f"Drawing({self.graph.network}, {self.style}: {len(self.graph.nodes)} nodes)"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: Path | str) -> Path:
        """Write the picture to `path`, whole or not at all; makes folders. Raises UsageError unless it is .svg."""
        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise UsageError(
                f"{target} is no .svg file; a drawing is SVG, which every browser opens and prints"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, self.svg)
        return target


def draw(
    network: nn.Module,
    input_size: int | Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    style: Literal["graph", "volumes"] = "graph",
    depth: int | None = None,
    unfold: bool = False,
) -> Drawing:
    """Draw what `network` does with an image of C×H×W = `input_size`.

    Args:
        network: any module; it is left as found.
        input_size: C×H×W of one image (or C×L …); a single number is the side of a square image for a network of the
            catalogue, None the size that it is published with.
        inputs: what to call the network with instead, batch axis included.
        style: "graph" draws every layer, branch and skip connection from top to bottom with the shapes between them;
            "volumes" draws the tensors as blocks from left to right, for networks that are chains of layers or blocks.
        depth: levels of modules that are opened; 1 shows the network's own parts only. None opens all.
        unfold: show each repetition of a block, and every operation inside modules that are one layer to a reader.

    Raises UsageError for another style or depth, LayerError where the network cannot take the image.

    >>> drawing = draw(nn.Sequential(nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.AvgPool2d(2)), (1, 28, 28))
    >>> drawing.save(tmp_path / "network.svg").name
    'network.svg'
    >>> "6×24×24" in drawing.svg
    True
    """
    if style not in STYLES:
        raise UsageError(f"style is {style!r}; allowed: {', '.join(STYLES)}")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
        raise UsageError(f"depth is {depth!r}; allowed: 1 or more, or None for all levels")
    graph = trace_graph(network, input_size, inputs=inputs)
    title = f"{graph.network}, input {format_shape(graph.nodes[0].shapes[0][1:])}"
    if style == "volumes":
        return Drawing(graph, style, volumes_svg(volumes_of(graph), title))
    return Drawing(graph, style, graph_svg(arrange(graph, depth=depth, unfold=unfold), title, graph.notes))
