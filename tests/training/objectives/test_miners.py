"""Miners against loops over all triplets, and against pytorch-metric-learning."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import UnknownNameError
from convnets.evaluation.distances import pairwise_distances
from convnets.training.objectives import miners as miners_module
from convnets.training.objectives.miners import active_share, log_weights, mine

MARGIN = 0.2


def batch(seed: int, count: int = 24, classes: int = 5, dimensions: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(count, dimensions, generator=generator))
    labels = torch.randint(0, classes, (count,), generator=generator)
    return pairwise_distances(vectors, vectors), labels


def all_triplets(labels: list[int]) -> list[tuple[int, int, int]]:
    places = range(len(labels))
    return [
        (a, p, n)
        for a, p, n in product(places, places, places)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def as_list(triplets: tuple[Tensor, Tensor, Tensor]) -> list[tuple[int, int, int]]:
    return list(zip(*(part.tolist() for part in triplets), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_all_and_semi_hard_are_what_a_loop_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    distances, labels = batch(seed)
    monkeypatch.setattr(miners_module, "_CELLS_AT_ONCE", 5 * 24)  # five pairs at a time
    every = all_triplets(labels.tolist())
    assert as_list(mine("all", distances, labels)) == every
    d = distances.tolist()
    semi_hard = [(a, p, n) for a, p, n in every if d[a][p] < d[a][n] < d[a][p] + MARGIN]
    assert 0 < len(semi_hard) < len(every)
    assert as_list(mine("semi-hard", distances, labels, MARGIN)) == semi_hard


@pytest.mark.parametrize("seed", range(4))
def test_hard_is_the_farthest_positive_and_the_nearest_negative(seed: int) -> None:
    distances, labels = batch(seed)
    d, named = distances.tolist(), labels.tolist()
    expected = []
    for anchor in range(len(named)):
        positives = [i for i in range(len(named)) if i != anchor and named[i] == named[anchor]]
        negatives = [i for i in range(len(named)) if named[i] != named[anchor]]
        if positives and negatives:
            farthest = max(positives, key=lambda i: d[anchor][i])
            expected.append((anchor, farthest, min(negatives, key=lambda i: d[anchor][i])))
    assert as_list(mine("hard", distances, labels)) == expected


@pytest.mark.parametrize("margin", [0.01, 0.2, 5.0])
def test_active_share_is_what_a_loop_counts(margin: float) -> None:
    distances, labels = batch(0)
    every, d = all_triplets(labels.tolist()), distances.tolist()
    active = sum(d[a][p] - d[a][n] + margin > 0 for a, p, n in every)
    # float32 sums: a triplet within rounding of the margin may fall on either side
    assert active_share(distances, labels, margin).item() == pytest.approx(
        active / len(every), abs=1.5 / len(every)
    )


def test_distance_weights_are_the_formula() -> None:
    for d, dimensions in product((0.5, 0.8, 1.1, 1.39), (3, 16, 128)):
        q = d ** (dimensions - 2) * (1 - d * d / 4) ** ((dimensions - 3) / 2)
        assert log_weights(torch.tensor(d, dtype=torch.float64), dimensions).item() == pytest.approx(
            -math.log(q)
        )
    assert log_weights(torch.tensor(0.1), 16) == log_weights(torch.tensor(0.5), 16)


def test_distance_weighted_draws_by_these_weights() -> None:
    # anchor 0 with positive 1, and negatives at four distances, the last of them too far
    near = torch.tensor([0.6, 0.9, 1.2, 1.5])
    distances = torch.zeros(6, 6)
    distances[0, 2:] = near
    labels = torch.tensor([0, 0, 1, 2, 3, 4])
    weights = log_weights(near[:3].double(), 4).exp()
    expected = (weights / weights.sum()).tolist()
    counts: Counter[int] = Counter()
    generator = torch.Generator().manual_seed(0)
    for _ in range(4000):
        found = mine("distance-weighted", distances, labels, dimensions=4, generator=generator)
        counts.update(n for a, _, n in as_list(found) if a == 0)
    total = sum(counts.values())
    assert total == 4000
    assert counts[5] == 0
    for place, share in enumerate(expected):  # four standard deviations
        assert abs(counts[place + 2] / total - share) < 4 * math.sqrt(share * (1 - share) / total)


def test_distance_weighted_finds_triplets_of_the_batch_or_none() -> None:
    distances, labels = batch(1)
    found = as_list(mine("distance-weighted", distances, labels, dimensions=6))
    assert found
    assert set(found) <= set(all_triplets(labels.tolist()))
    far = torch.full((3, 3), 1.9).fill_diagonal_(0)
    assert as_list(mine("distance-weighted", far, torch.tensor([0, 0, 1]), dimensions=6)) == []


@pytest.mark.parametrize("miner", miners_module.MINERS)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_triplets_gives_none(miner: str, labels: list[int]) -> None:
    distances = torch.rand(len(labels), len(labels))
    assert as_list(mine(miner, distances, torch.tensor(labels))) == []


@pytest.mark.parametrize("kind", ["all", "semihard"])
def test_triplets_equal_those_of_pytorch_metric_learning(kind: str) -> None:
    reference = pytest.importorskip("pytorch_metric_learning.miners")
    generator = torch.Generator().manual_seed(3)
    vectors = F.normalize(torch.randn(32, 8, generator=generator))
    labels = torch.randint(0, 6, (32,), generator=generator)
    theirs = reference.TripletMarginMiner(margin=MARGIN, type_of_triplets=kind)(vectors, labels)
    own = as_list(
        mine(
            {"all": "all", "semihard": "semi-hard"}[kind],
            pairwise_distances(vectors, vectors),
            labels,
            MARGIN,
        )
    )
    if kind == "all":  # theirs are all that violate the margin
        d = pairwise_distances(vectors, vectors)
        own = [(a, p, n) for a, p, n in own if d[a, n] - d[a, p] <= MARGIN]
    assert sorted(as_list(theirs)) == sorted(own)


def test_unknown_miner() -> None:
    with pytest.raises(UnknownNameError, match="semi-hard"):
        mine("semihard", torch.zeros(2, 2), torch.tensor([0, 1]))
