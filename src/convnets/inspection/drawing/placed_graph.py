"""Placed graph: where every box and line of a network's drawing goes, as plain values for whoever draws it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Any

from convnets.inspection.drawing.arrange import arrange
from convnets.inspection.drawing.layout.boxes import Group, Row, shape_range
from convnets.inspection.drawing.layout.measures import HEADER, ROW
from convnets.inspection.drawing.layout.placing import PlacedBox, PlacedLevel, place_level
from convnets.inspection.drawing.svg import COLORS
from convnets.inspection.graph.network_graph import NetworkGraph

__all__ = ["placed_graph"]


def placed_graph(
    graph: NetworkGraph, *, depth: int | None = None, unfold: bool = False, closed: Collection[str] = ()
) -> dict[str, Any]:
    """The boxes and lines that `draw` draws, with coordinates in pixels; options as for `arrange`.

    `{"width", "height", "row", "header", "colors", "boxes": […], "lines": […]}`. A box has x, y, width, height, times
    and the paths of the modules that it stands for, and either rows (kind, detail, name, path, family, shape,
    parameters, node) or a name, a path and boxes and lines of its own, placed from the same corner. `node` is the
    index of the operation that a row gives the output of.

    >>> from torch import nn
    >>> from convnets.inspection.graph.trace import trace_graph
    >>> found = placed_graph(trace_graph(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), (1, 8, 8)))
    >>> [row["kind"] for box in found["boxes"] for row in box["rows"]]
    ['input', 'Conv2d', 'ReLU', 'output']
    """
    placed = place_level(arrange(graph, depth=depth, unfold=unfold, closed=closed))
    return {
        "width": placed.width,
        "height": placed.height,
        "row": ROW,
        "header": HEADER,
        "colors": COLORS,
        **_Placer(graph).level(placed, 0.0, 0.0),
    }


class _Placer:
    def __init__(self, graph: NetworkGraph) -> None:
        self._by_name = {node.name: node.index for node in graph.nodes}
        self._last: dict[str, int] = {}
        for node in graph.nodes:
            call: int | None = node.call
            while call is not None:
                self._last[graph.calls[call].path] = node.index
                call = graph.calls[call].parent
        self._outputs = [source.node for source in graph.outputs]
        self._graph = graph

    def level(self, placed: PlacedLevel, x: float, y: float) -> dict[str, Any]:
        lines = [
            {
                "points": [[x + px, y + py] for px, py in course.points],
                "source": placed.level.links[course.link].source,
                "target": placed.level.links[course.link].target,
                "shape": shape_range(placed.level.links[course.link].shapes),
            }
            for course in placed.courses
        ]
        return {"boxes": [self._box(each, x, y) for each in placed.boxes], "lines": lines}

    def _box(self, each: PlacedBox, x: float, y: float) -> dict[str, Any]:
        found: dict[str, Any] = {
            "x": x + each.x,
            "y": y + each.y,
            "width": each.width,
            "height": each.height,
            "times": each.box.times,
        }
        if isinstance(each.box, Group):
            assert each.inner is not None
            left = x + each.x + (each.width - each.inner.width) / 2
            kind = "" if each.box.kind == "Sequential" else each.box.kind
            inner = self.level(each.inner, left, y + each.y + HEADER)
            paths = self._modules(each.box.path, each.box.times)
            return {
                **found,
                "name": each.box.name,
                "kind": kind,
                "path": each.box.path,
                "paths": paths,
                **inner,
            }
        paths = self._modules(each.box.rows[0].path, each.box.times)
        return {**found, "rows": [self._row(row) for row in each.box.rows], "paths": paths}

    def _modules(self, path: str, times: int) -> list[str]:
        """The modules that a box stands for: that of `path` and those beside it that it was folded with."""
        first = next((call for call in self._graph.calls if call.path == path), None)
        if first is None:
            return []
        alike = (
            call
            for call in self._graph.calls[first.index :]
            if (call.parent, call.kind) == (first.parent, first.kind)
        )
        return [call.path for call in islice(alike, times)]

    def _row(self, row: Row) -> dict[str, Any]:
        node = self._last.get(row.path, -1) if row.family == "block" else self._by_name.get(row.path, -1)
        if node < 0:
            node = self._last.get(row.path, self._outputs[0] if self._outputs else -1)
        return {
            "kind": row.kind,
            "detail": row.detail,
            "name": row.name,
            "path": row.path,
            "family": row.family,
            "shape": shape_range(row.shapes),
            "parameters": row.parameters,
            "node": node,
        }
