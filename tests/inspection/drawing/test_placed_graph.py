"""The drawing as plain values: the same boxes as the SVG, and closed modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import convnets
from convnets.inspection.drawing.placed_graph import placed_graph
from convnets.inspection.graph.trace import trace_graph


def _rows(level: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for box in level["boxes"]:
        yield from box["rows"] if "rows" in box else _rows(box)


@pytest.mark.parametrize("name", ["lenet_bn", "googlenet", "resnet20"])
def test_every_row_tells_the_operation_that_it_gives(name: str) -> None:
    graph = trace_graph(convnets.create_model(name))
    found = json.loads(json.dumps(placed_graph(graph, unfold=True)))
    rows = list(_rows(found))
    for row in rows[:-1]:
        assert graph.nodes[row["node"]].name == row["path"]
    assert rows[-1]["kind"] == "output"
    assert rows[-1]["node"] == graph.outputs[0].node
    assert {row["node"] for row in rows} == set(range(len(graph.nodes)))


def test_a_closed_module_is_one_card_that_gives_what_it_gives() -> None:
    graph = trace_graph(convnets.create_model("resnet20"))
    found = placed_graph(graph, unfold=True, closed=["stage1.1"])
    row = next(row for row in _rows(found) if row["path"] == "stage1.1")
    assert graph.nodes[row["node"]].name == "stage1.1.relu (2)"
    assert not any(each["path"].startswith("stage1.1.") for each in _rows(found))


def test_a_folded_box_names_every_module_that_it_stands_for() -> None:
    graph = trace_graph(convnets.create_model("resnet20"))
    found = placed_graph(graph)
    folded = next(box for box in found["boxes"] if box["times"] == 3)
    assert folded["paths"] == ["stage1.0", "stage1.1", "stage1.2"]
    shut = placed_graph(graph, closed=folded["paths"])
    assert not any(row["path"].startswith("stage1.0.") for row in _rows(shut))
