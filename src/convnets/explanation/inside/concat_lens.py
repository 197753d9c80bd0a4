"""Concat lens: which branch of an Inception or Dense block made which channel, and how much it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from convnets.errors import InputError
from convnets.evaluation.plots.drawing import LINE_COLORS, style_axes
from convnets.explanation.inside.node_values import graph_for, node_values
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened, text_width
from convnets.explanation.pictures.shown import Shown
from convnets.inspection.graph.network_graph import GraphNode, NetworkGraph, TensorSource

__all__ = ["ConcatLens", "ConcatPart", "Concatenation", "concat_lens"]


@dataclass(frozen=True)
class ConcatPart:
    """Neighboring channels that one branch made."""

    branch: str
    """The operation that made them."""
    first: int
    last: int
    """The last channel, which belongs to it."""
    mean: float
    """Mean |value| of these channels, over positions and images."""

    @property
    def channels(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Concatenation:
    """One place where maps are laid side by side."""

    name: str
    parts: tuple[ConcatPart, ...]

    def branch_of(self, channel: int) -> str:
        """The branch that made a channel; raises InputError for one that is not there."""
        for part in self.parts:
            if part.first <= channel <= part.last:
                return part.branch
        raise InputError(f"channel {channel} of {self.name}; it has channels 0 to {self.parts[-1].last}")


@dataclass(frozen=True)
class ConcatLens(Shown):
    """All concatenations of a network, in their order."""

    concatenations: tuple[Concatenation, ...]
    network: str
    images: int

    def figure(self) -> Figure:
        """Two bars for each place: who made the channels, and who gives how much of the sum of |values|."""
        count = len(self.concatenations)
        figure = Figure(figsize=(9.6, 1.5 + 0.56 * count), layout="constrained")
        axes = figure.subplots()
        style_axes(
            axes, f"Who makes the channels of {self.network}", "share of the channels, and below of Σ |value|"
        )
        axes.grid(False)
        for place, each in enumerate(self.concatenations):
            channels = [float(part.channels) for part in each.parts]
            values = [part.mean * part.channels for part in each.parts]
            _draw_bar(axes, place - 0.2, channels, [_short(part.branch, each.name) for part in each.parts])
            _draw_bar(axes, place + 0.17, values, None)
        axes.set_yticks(
            range(count), [shortened(drawable(each.name), 170, 9) for each in self.concatenations]
        )
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        axes.invert_yaxis()
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), f"Who makes the channels of {self.network}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [
            {"name": each.name, "parts": [dict(vars(part)) for part in each.parts]}
            for each in self.concatenations
        ]
        return {"network": self.network, "images": self.images, "concatenations": rows}


def _draw_bar(axes: Axes, place: float, widths: list[float], names: list[str] | None) -> None:
    whole, left = sum(widths) or 1.0, 0.0
    height = 0.4 if names is not None else 0.2
    for number, width in enumerate(widths):
        share = width / whole
        color = LINE_COLORS[number % len(LINE_COLORS)]
        axes.barh(place, share, left=left, height=height, color=color, edgecolor="white", linewidth=0.6)
        if names is not None:
            words = shortened(f"{int(width)}: {names[number]}", share * 700, 7)
            if text_width(words, 7) <= share * 700 and len(words) > 2:
                axes.text(left + share / 2, place, words, ha="center", va="center", fontsize=7, color="white")
        left += share


def _short(branch: str, place: str) -> str:
    """Without what the names of branch and place share."""
    parts, common = branch.split("."), place.split(".")
    while len(parts) > 1 and common and parts[0] == common[0]:
        parts, common = parts[1:], common[1:]
    return drawable(".".join(parts))


def concat_lens(network: nn.Module, images: Tensor) -> ConcatLens:
    """Of every concatenation along the channels: the branches in their order, their channels, their mean |value|.

    A concatenation that goes into another one is looked through, so that each channel is named after the operation
    that made it. `images` are float N×C×H×W, normalized; they go through one by one. Raises InputError for a network
    without concatenations (`googlenet` and `densenet121` have them), and for no images.

    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("googlenet", in_channels=1, num_classes=10, seed=0)
    >>> import torch
    >>> found = concat_lens(network, torch.rand(1, 1, 96, 96)).concatenations
    >>> len(found), [part.channels for part in found[0].parts]
    (9, [64, 128, 32, 32])
    """
    if images.ndim != 4 or not len(images):
        raise InputError(f"images are {tuple(images.shape)}; allowed: N×C×H×W with N of 1 or more")
    graph = graph_for(network, images)
    places = {
        node.index: tuple(_origins(graph, node)) for node in graph.nodes if _is_concatenation(graph, node)
    }
    if not places:
        raise InputError(
            f"{graph.network} concatenates no maps; a concat lens needs them, as googlenet has them"
        )
    sources = list({source for parts in places.values() for source in parts})
    sums = dict.fromkeys(sources, 0.0)
    for image in images:
        values = node_values(network, image[None], sources)
        for source, value in values.items():
            sums[source] += float(value.double().abs().mean()) / len(images)
    found = [_concatenation(graph, graph.nodes[index], parts, sums) for index, parts in places.items()]
    return ConcatLens(tuple(found), graph.network, len(images))


def _is_concatenation(graph: NetworkGraph, node: GraphNode) -> bool:
    if node.function not in ("cat", "concat", "concatenate") or len(node.shapes[0]) != 4:
        return False
    widths = [graph.nodes[each.node].shapes[each.output][1] for each in node.inputs]
    return sum(widths) == node.shapes[0][1] and node.setting("dim", 0) in (1, -3)


def _origins(graph: NetworkGraph, node: GraphNode) -> Iterator[TensorSource]:
    for source in node.inputs:
        inner = graph.nodes[source.node]
        if _is_concatenation(graph, inner):
            yield from _origins(graph, inner)
        else:
            yield source


def _concatenation(
    graph: NetworkGraph, node: GraphNode, sources: tuple[TensorSource, ...], means: dict[TensorSource, float]
) -> Concatenation:
    parts, first = [], 0
    for source in sources:
        width = graph.nodes[source.node].shapes[source.output][1]
        parts.append(ConcatPart(graph.nodes[source.node].name, first, first + width - 1, means[source]))
        first += width
    return Concatenation(node.name, tuple(parts))
