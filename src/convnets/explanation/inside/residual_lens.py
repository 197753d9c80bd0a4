"""Residual lens: in each block that adds a shortcut, how much comes from the branch and how much from the skip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.pictures.shown import Shown
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource

__all__ = ["Addition", "ResidualLens", "residual_lens"]


@dataclass(frozen=True)
class Addition:
    """One sum of a branch and a skip."""

    name: str
    """Where it is, such as stage2.0.add."""
    branch: str
    """What the branch ends in: the way with more layers since both parted."""
    skip: str
    branch_norm: float
    """Euclidean norm of what comes by the branch, mean over images."""
    skip_norm: float
    cosine: float
    """Between the two, mean over images: below zero the branch takes away from what the skip brings."""

    @property
    def share(self) -> float:
        """Of the branch: its norm divided by the sum of both norms; 0 to 1, a half where both are 0."""
        whole = self.branch_norm + self.skip_norm
        return self.branch_norm / whole if whole else 0.5


@dataclass(frozen=True)
class ResidualLens(Shown):
    """All additions of a network, in their order."""

    additions: tuple[Addition, ...]
    network: str
    images: int

    def figure(self) -> Figure:
        """A bar for each block: the branch's share in blue, the skip's in orange, and the cosine as words."""
        figure = Figure(figsize=(7.6, 1.5 + 0.32 * len(self.additions)), layout="constrained")
        axes = figure.subplots()
        style_axes(axes, f"Branch (blue) and skip (orange) in {self.network}", "share of the norm")
        axes.grid(False)
        places = range(len(self.additions))
        shares = [each.share for each in self.additions]
        axes.barh(places, shares, color=BLUE, height=0.7)
        axes.barh(places, [1 - share for share in shares], left=shares, color=ORANGE, height=0.7)
        for place, each in enumerate(self.additions):
            axes.text(1.02, place, f"cosine {each.cosine:+.2f}", va="center", fontsize=8, color=INK)
            axes.text(0.01, place, f"{each.share:.0%}", va="center", fontsize=8, color="white")
        axes.set_yticks(places, [shortened(drawable(each.name), 160, 9) for each in self.additions])
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), f"Branch and skip in {self.network}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [{**vars(each), "share": each.share} for each in self.additions]
        return {"network": self.network, "images": self.images, "additions": rows}


def residual_lens(network: nn.Module, images: Tensor) -> ResidualLens:
    """Of every addition of two maps in `network`: norms of both, the branch's share, and the angle between them.

    `images` are float N×C×H×W, normalized; they go through one by one. The skip is the summand with fewer operations
    with weights since both parted (He et al. 2016, "Deep residual learning": H(x) = F(x) + x). Raises InputError for a
    network without such additions, and for no images.

    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("resnet20", in_channels=3, num_classes=10, seed=0)
    >>> len(residual_lens(network, torch.rand(2, 3, 32, 32)).additions)
    9
    """
    if images.ndim != 4 or not len(images):
        raise InputError(f"images are {tuple(images.shape)}; allowed: N×C×H×W with N of 1 or more")
    graph = graph_for(network, images)
    found = [node for node in graph.nodes if _is_addition(graph, node)]
    if not found:
        raise InputError(
            f"{graph.network} adds no two maps; a residual lens needs shortcuts, as resnet18 has them"
        )
    pairs = [_branch_and_skip(graph, node) for node in found]
    sources = list({source for pair in pairs for source in pair})
    sums = torch.zeros(len(found), 3, dtype=torch.float64)
    for image in images:
        values = node_values(network, image[None], sources)
        sums += torch.tensor(
            [_measured(values[branch], values[skip]) for branch, skip in pairs], dtype=torch.float64
        )
    rows = (sums / len(images)).tolist()
    return ResidualLens(
        tuple(
            Addition(node.name, graph.nodes[branch.node].name, graph.nodes[skip.node].name, *row)
            for node, (branch, skip), row in zip(found, pairs, rows, strict=True)
        ),
        graph.network,
        len(images),
    )


def _is_addition(graph: NetworkGraph, node: GraphNode) -> bool:
    shapes = [graph.nodes[each.node].shapes[each.output] for each in node.inputs]
    return (
        node.function in ("add", "iadd", "add_", "__add__", "__iadd__")
        and len(shapes) == 2
        and all(len(shape) == 4 and shape[1:] == node.shapes[0][1:] for shape in shapes)
    )


def _branch_and_skip(graph: NetworkGraph, node: GraphNode) -> tuple[TensorSource, TensorSource]:
    first, second = node.inputs
    above = [_above(graph, each.node) for each in (first, second)]
    own = [_weighted(graph, above[0] - above[1]), _weighted(graph, above[1] - above[0])]
    return (first, second) if own[0] >= own[1] else (second, first)


def _above(graph: NetworkGraph, node: int) -> set[int]:
    """The node and all that it comes from."""
    found: set[int] = set()
    waiting = [node]
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += [each.node for each in graph.nodes[place].inputs]
    return found


def _weighted(graph: NetworkGraph, nodes: set[int]) -> int:
    return sum(graph.nodes[place].parameters > 0 for place in nodes)


def _measured(branch: Tensor, skip: Tensor) -> Sequence[float]:
    one, other = branch.double().flatten(), skip.double().flatten()
    lengths = float(one.norm()), float(other.norm())
    product = lengths[0] * lengths[1]
    return (*lengths, float(one @ other) / product if product else 0.0)
