"""Receptive fields: how many pixels of the image each layer's units can see, and where those lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import nn

from convnets.errors import InputError
from convnets.inspection.formatting import format_shape
from convnets.inspection.graph.network_graph import NetworkGraph, Shape
from convnets.inspection.graph.trace import trace_graph
from convnets.inspection.receptive_field.field_interval import (
    FieldInterval,
    FieldIntervals,
    Seen,
    image_interval,
)
from convnets.inspection.receptive_field.rules import apply_rule

__all__ = ["AxisField", "ReceptiveField", "fields_of_graph", "receptive_fields"]


@dataclass(frozen=True)
class AxisField:
    """A receptive field along one axis of the image, in pixels."""

    size: int
    """Pixels that a unit sees, padding included; of the unit that sees most where they differ."""
    stride: float | None
    """Pixels from the field of one unit to that of the next; None where that is not the same everywhere."""
    start: int
    """First pixel of the first unit's field: below 0 it begins in the padding."""
    padding: float
    """Share of a field that lies outside the image, on average over the units; 0 to 1."""
    side: int
    """Pixels of the image."""
    spans: tuple[tuple[int, int], ...]
    """Of each unit, the first and last pixel of the image that it can see; (0, -1) where it sees padding only."""

    @property
    def exceeds(self) -> bool:
        """Whether the field is larger than the image."""
        return self.size > self.side

    @property
    def whole(self) -> bool:
        """Whether every unit can see from one border of the image to the other."""
        return all(span == (0, self.side - 1) for span in self.spans)


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one operation can see of the network's first input."""

    name: str
    """Path of the module, such as stage2.0.conv1, or of the module that calls the function: stage2.0.add."""
    kind: str
    shape: Shape
    """Of its output, batch included."""
    axes: tuple[AxisField, ...]
    """Down and across; one for a series."""
    exact: bool
    """False where sizes, spans and padding are upper bounds: an operation before it is not known, and is taken to look
    at everything."""
    node: int
    """Index in the graph."""

    @property
    def exceeds(self) -> bool:
        """Whether the field is larger than the image along an axis."""
        return any(axis.exceeds for axis in self.axes)

    @property
    def whole(self) -> bool:
        """Whether every unit can see the whole image."""
        return all(axis.whole for axis in self.axes)

    @property
    def padding(self) -> float:
        """Share of the field's area that lies outside the image, on average over the units."""
        inside = 1.0
        for axis in self.axes:
            inside *= 1 - axis.padding
        return 1 - inside

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        axes = [{**asdict(axis), "exceeds": axis.exceeds, "whole": axis.whole} for axis in self.axes]
        return {**asdict(self), "axes": axes, "padding": self.padding}

    def __str__(self) -> str:
        sizes = format_shape(tuple(axis.size for axis in self.axes))
        most = "" if self.exact else "at most "
        return f"{self.name}: {most}{sizes} pixels{' (exceeds the image)' if self.exceeds else ''}"


def receptive_fields(
    network: nn.Module, input_size: int | Sequence[int] | None = None
) -> tuple[ReceptiveField, ...]:
    """The receptive field of every operation of `network` for an input of C×H×W (or C×L) = `input_size`.

    Sizes follow size' = size + dilation·(kernel − 1)·stride and stride' = stride·(layer's stride) along a chain
    (Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks"); where branches meet,
    fields are united. They are computed unit by unit, so that ceil mode, cropping, adaptive pooling and whatever
    else treats units differently is exact. A module that runs twice has two records. Raises InputError where the
    network cannot take the input, or where it has no axis to speak of.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.MaxPool2d(2))
    >>> [(f.name, f.axes[0].size, f.axes[0].stride, f.axes[0].start) for f in receptive_fields(network, (1, 28, 28))]
    [('0', 5, 1.0, -2), ('1', 6, 2.0, -2)]
    """
    return fields_of_graph(trace_graph(network, input_size))


def fields_of_graph(graph: NetworkGraph) -> tuple[ReceptiveField, ...]:
    """The same for a graph that is there already."""
    image = graph.nodes[0].shapes[0]
    if len(image) < 3:
        raise InputError(
            f"input is {format_shape(image)}; a receptive field needs an image N×C×H×W or a series N×C×L"
        )
    sides = image[2:]
    start = tuple(image_interval(dim, side) for dim, side in enumerate(sides, start=2))
    seen: dict[tuple[int, int], tuple[FieldIntervals, bool]] = {(0, 0): (start, True)}
    fields = []
    for node in graph.nodes[1:]:
        known = [
            (each, seen[each.node, each.output]) for each in node.inputs if (each.node, each.output) in seen
        ]
        if not known or node.function == "input":
            continue
        inputs = [
            Seen(graph.nodes[each.node].shapes[each.output], intervals) for each, (intervals, _) in known
        ]
        found, exact = apply_rule(node, inputs)
        exact = exact and all(was_exact for _, (_, was_exact) in known)
        for output, intervals in enumerate(found):
            seen[node.index, output] = (intervals, exact)
        axes = tuple(_axis_field(interval, side) for interval, side in zip(found[0], sides, strict=True))
        fields.append(ReceptiveField(node.name, node.kind, node.shapes[0], axes, exact, node.index))
    return tuple(fields)


def _axis_field(interval: FieldInterval, side: int) -> AxisField:
    sees = np.isfinite(
        interval.low
    )  # a unit may take nothing at all, between the taps of a transposed convolution
    low, high = interval.low[sees], interval.high[sees]
    if not len(low):
        return AxisField(0, None, 0, 0.0, side, ((0, -1),) * len(sees))
    sizes = high - low + 1
    inside = np.clip(np.minimum(high, side - 1) - np.maximum(low, 0) + 1, 0, None)
    steps = np.diff(interval.low)
    regular = sees.all() and np.ptp(sizes) == 0 and (not len(steps) or np.ptp(steps) == 0)
    stride = float(steps[0]) if len(steps) else interval.jump
    return AxisField(
        size=int(sizes.max()),
        stride=stride if regular else None,
        start=int(low[0]),
        padding=float(np.mean(1 - inside / sizes)),
        side=side,
        spans=_spans(interval.first, interval.last),
    )


def _spans(first: Sequence[float] | Any, last: Sequence[float] | Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) if a <= b else (0, -1) for a, b in zip(first, last, strict=True))
