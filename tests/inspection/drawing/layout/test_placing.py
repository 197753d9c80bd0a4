"""Where things stand: nothing overlaps, links meet what they join and pass by the rest."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
import torch

from convnets.inspection.drawing.arrange import arrange
from convnets.inspection.drawing.layout.boxes import Card, Level, Link, Row
from convnets.inspection.drawing.layout.placing import PlacedLevel, place_level
from convnets.inspection.drawing.layout.ranking import rank_level
from convnets.inspection.drawing.layout.straightening import Pull, straighten
from convnets.inspection.graph.trace import trace_graph
from convnets.models.catalogue import create_model


def levels(placed: PlacedLevel) -> Iterator[PlacedLevel]:
    yield placed
    for box in placed.boxes:
        if box.inner is not None:
            yield from levels(box.inner)


def check(placed: PlacedLevel) -> None:
    for level in levels(placed):
        for a, b in itertools.combinations(level.boxes, 2):
            apart_x = a.x + a.width < b.x or b.x + b.width < a.x
            apart_y = a.y + a.height < b.y or b.y + b.height < a.y
            assert apart_x or apart_y, (a.box, b.box)
        for box in level.boxes:
            assert box.x >= -0.01
            assert box.x + box.width <= level.width + 0.01
            assert box.y + box.height <= level.height + 0.01
            if box.inner is not None:
                assert box.inner.width <= box.width
                assert box.inner.height <= box.height
        for course in level.courses:
            link = level.level.links[course.link]
            (sx, sy), (tx, ty) = course.points[0], course.points[-1]
            if link.source >= 0:
                source = level.boxes[link.source]
                assert source.x < sx < source.x + source.width
                assert sy == pytest.approx(source.y + source.height)
            if link.target < len(level.boxes):
                target = level.boxes[link.target]
                assert target.x < tx < target.x + target.width
                assert ty == pytest.approx(target.y)
            assert all(a[1] <= b[1] + 0.01 for a, b in itertools.pairwise(course.points)), (
                "links only go down"
            )
            for place, box in enumerate(level.boxes):
                if place in (link.source, link.target):
                    continue
                for (ax, ay), (bx, by) in itertools.pairwise(course.points):
                    beside = max(ax, bx) < box.x or min(ax, bx) > box.x + box.width
                    assert beside or by <= box.y + 0.01 or ay >= box.y + box.height - 0.01, (link, box)


@pytest.mark.parametrize(
    "name", ["lenet", "googlenet", "googlenet_bn", "resnet50", "resnet20", "densenet121", "vgg16_bn"]
)
@pytest.mark.parametrize("unfold", [False, True])
def test_networks_are_laid_out_without_collisions(name: str, unfold: bool) -> None:
    with torch.device("meta"):
        graph = trace_graph(create_model(name))
    check(place_level(arrange(graph, unfold=unfold)))


def random_level(seed: int) -> Level:
    draw = random.Random(seed)
    count = draw.randint(3, 14)
    boxes = tuple(
        Card((Row("k" * draw.randint(1, 30), "", "", "other", str(i), ((4, 8, 8),), 0),) * draw.randint(1, 4))
        for i in range(count)
    )
    ends = {(draw.randrange(i), i) for i in range(1, count) for _ in range(draw.randint(1, 3))}
    links = [Link(a, 0, b, 0, ((4, 8, 8),)) for a, b in sorted(ends)]
    links += [Link(-1, 0, 0, 0, ((4, 8, 8),)), Link(count - 1, 0, count, 0, ((4, 8, 8),))]
    return Level(boxes, tuple(links), 1, 1)


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_are_laid_out_without_collisions(seed: int) -> None:
    check(place_level(random_level(seed)))


@pytest.mark.parametrize("seed", range(10))
def test_every_link_goes_down_the_ranks(seed: int) -> None:
    level = random_level(seed)
    stage = rank_level(level)
    rank = {vertex: number for number, row in enumerate(stage.ranks) for vertex in row}
    assert all(rank[segment.lower] == rank[segment.upper] + 1 for segment in stage.segments)
    count = len(level.boxes) + level.entries + level.exits
    assert sorted(v for v in rank if not stage.is_bend(v)) == list(range(count))


def test_branches_that_need_not_cross_do_not() -> None:
    row = (Row("k", "", "", "other", "k", ((1,),), 0),)
    # 0 → 1, 2, 3; then 4 from 3, 5 from 2, 6 from 1: in the order of numbers they would all cross
    ends = [(0, 1), (0, 2), (0, 3), (3, 4), (2, 5), (1, 6)]
    level = Level((Card(row),) * 7, tuple(Link(a, 0, b, 0, ((1,),)) for a, b in ends), 0, 0)
    placed = place_level(level)
    middles = {i: box.x + box.width / 2 for i, box in enumerate(placed.boxes)}
    assert all(middles[a] == middles[b] for a, b in ends[3:])


@pytest.mark.parametrize("seed", range(8))
def test_no_random_place_is_better_than_the_straightened_one(seed: int) -> None:
    draw = random.Random(seed)
    ranks = [[0], [1, 2], [3, 4, 5], [6]]
    sides = {vertex: (draw.uniform(2, 20), draw.uniform(2, 20)) for vertex in range(7)}
    pairs = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (3, 6), (5, 6)]
    pulls = [Pull(a, b, draw.uniform(-9, 9), draw.choice([1.0, 4.0, 8.0])) for a, b in pairs]

    def cost(xs: dict[int, float]) -> float:
        return sum(pull.weight * abs(xs[pull.upper] + pull.offset - xs[pull.lower]) for pull in pulls)

    def is_apart(xs: dict[int, float]) -> bool:
        return all(
            xs[b] - xs[a] >= sides[a][1] + sides[b][0] + 10 - 0.05
            for rank in ranks
            for a, b in itertools.pairwise(rank)
        )

    best = straighten(ranks, sides, pulls, gap=10)
    assert is_apart(best)
    assert all(best[vertex] >= sides[vertex][0] - 0.05 for vertex in best)
    for _ in range(3000):
        tried = {vertex: x + draw.gauss(0, draw.choice([0.5, 4, 30])) for vertex, x in best.items()}
        # straight links come first; what is left over only decides between equals
        assert not is_apart(tried) or cost(tried) > cost(best) - 6
