"""What a drawing shows: every operation once, repetitions folded, branches kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from convnets.inspection.drawing.arrange import arrange
from convnets.inspection.drawing.layout.boxes import Card, Group, Level, shape_range
from convnets.inspection.graph.network_graph import NetworkGraph
from convnets.inspection.graph.trace import trace_graph
from convnets.models.catalogue import create_model, list_models


def graph_of(name: str) -> NetworkGraph:
    with torch.device("meta"):
        return trace_graph(create_model(name))


def cards(level: Level, times: int = 1) -> Iterator[tuple[Card, int]]:
    """All cards with how often they come."""
    for box in level.boxes:
        if isinstance(box, Card):
            yield box, times * box.times
        else:
            yield from cards(box.level, times * box.times)


def groups(level: Level) -> Iterator[Group]:
    for box in level.boxes:
        if isinstance(box, Group):
            yield box
            yield from groups(box.level)


@pytest.mark.parametrize(
    "name", [n for n in list_models() if not n.startswith(("resnet1", "densenet16", "densenet2"))]
)
def test_every_operation_is_there_as_often_as_it_runs(name: str) -> None:
    graph = graph_of(name)
    kinds = sorted(node.kind for node in graph.nodes)
    for unfold in (False, True):
        shown = [
            (row, times)
            for card, times in cards(arrange(graph, unfold=unfold))
            for row in card.rows
            for _ in (0,)
        ]
        assert sorted(row.kind for row, times in shown for _ in range(times)) == sorted([*kinds, "output"])
        assert sum(row.parameters for row, _ in shown) == sum(node.parameters for node in graph.nodes)
    assert all(times == 1 for _, times in cards(arrange(graph, unfold=True)))


@pytest.mark.parametrize(
    ("name", "folds"),
    [
        # layers of the dense blocks in the paper's table 1
        ("densenet121", [6, 12, 24, 16]),
        ("densenet169", [6, 12, 32, 32]),
        # blocks of a stage after the first, which changes the shape; stage 1 of basic blocks changes none
        ("resnet50", [2, 3, 5, 2]),
        ("resnet34", [3, 3, 5, 2]),
        ("resnet20", [3, 2, 2]),
        # Inception 3a-3b, 4a-4e, 5a-5b
        ("googlenet", [2, 5, 2]),
        # a convolution and the concatenation with its input, four times in each block
        ("densenet_d2l", [4, 4, 4, 4]),
        ("lenet", []),
    ],
)
def test_repeated_blocks_are_folded(name: str, folds: list[int]) -> None:
    assert [group.times for group in groups(arrange(graph_of(name))) if group.times > 1] == folds


def test_a_fold_says_from_what_to_what_its_shapes_go() -> None:
    fold = next(group for group in groups(arrange(graph_of("densenet121"))) if group.times == 6)
    (joined,) = (card for card, _ in cards(fold.level) if card.rows[0].kind == "cat")
    assert shape_range(joined.rows[0].shapes) == "96…256×56×56"
    assert fold.name == "block1.layer1 … layer6"
    assert fold.kind == "DenseLayer"


def test_layers_that_only_change_values_join_the_card_before() -> None:
    level = arrange(
        trace_graph(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)), (1, 8, 8)
        )
    )
    assert [[row.kind for row in card.rows] for card, _ in cards(level)] == [
        ["input"],
        ["Conv2d", "BatchNorm2d", "ReLU"],
        ["MaxPool2d"],
        ["output"],
    ]


def test_a_value_that_is_used_twice_ends_its_card() -> None:
    class Used(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(1, 1, 1), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.act(x) + x

    level = arrange(trace_graph(Used(), (1, 4, 4)))
    assert [[row.kind for row in card.rows] for card, _ in cards(level)] == [
        ["input"],
        ["Conv2d"],
        ["ReLU"],
        ["add"],
        ["output"],
    ]
    assert {(link.source, link.target) for link in level.links} == {(0, 1), (1, 2), (1, 3), (2, 3), (3, 4)}


def test_depth_closes_modules() -> None:
    level = arrange(graph_of("resnet18"), depth=1)
    assert not any(isinstance(box, Group) for box in level.boxes)
    rows = [row for card, _ in cards(level) for row in card.rows]
    assert [row.name for row in rows if row.family == "block"] == [
        "stem",
        "stage1",
        "stage2",
        "stage3",
        "stage4",
    ]
    assert sum(row.parameters for row in rows) == 11_689_512


def test_equal_layers_side_by_side_are_not_folded() -> None:
    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = (nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + self.b(x)

    assert all(group.times == 1 for group in groups(arrange(trace_graph(Parallel(), (1, 8, 8)))))


def test_a_module_of_functions_is_one_row_until_it_is_unfolded() -> None:
    class Rescaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 4 * torch.sigmoid(x) - 2

    graph = trace_graph(nn.Sequential(nn.Conv2d(1, 1, 1), Rescaled()), (1, 4, 4))
    assert [row.kind for card, _ in cards(arrange(graph)) for row in card.rows] == [
        "input",
        "Conv2d",
        "Rescaled",
        "output",
    ]
    unfolded = [row.kind for card, _ in cards(arrange(graph, unfold=True)) for row in card.rows]
    assert unfolded == ["input", "Conv2d", "sigmoid", "mul", "sub", "output"]
