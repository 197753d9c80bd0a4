"""TripletLoss against a plain loop in float64, its gradients by differences, and pytorch-metric-learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.training.objectives.triplet_loss import TripletLoss

Vector = list[float]
BY_HAND: dict[str, Callable[[Vector, Vector], float]] = {
    "euclidean": lambda x, y: math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True))),
    "squared": lambda x, y: sum((a - b) ** 2 for a, b in zip(x, y, strict=True)),
    "l1": lambda x, y: sum(abs(a - b) for a, b in zip(x, y, strict=True)),
    "cosine": lambda x, y: (
        1 - sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))
    ),
}


def batch(seed: int = 0, count: int = 16, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, 5, dtype=torch.float64, generator=generator)
    return F.normalize(vectors), torch.randint(0, classes, (count,), generator=generator)


def loop(
    vectors: Tensor, labels: Tensor, margin: float, distance: str, miner: str
) -> tuple[float, float, float, float]:
    """Loss, active share of all triplets, mean positive and mean negative distance."""
    x, y = vectors.tolist(), labels.tolist()
    places = range(len(y))
    d = [[BY_HAND[distance](a, b) for b in x] for a in x]
    every = [
        (a, p, n) for a, p, n in product(places, places, places) if a != p and y[a] == y[p] and y[a] != y[n]
    ]
    chosen = every
    if miner == "semi-hard":
        chosen = [(a, p, n) for a, p, n in every if d[a][p] < d[a][n] < d[a][p] + margin]
    elif miner == "hard":
        chosen = []
        for a in {triplet[0] for triplet in every}:
            p = max((p for b, p, _ in every if b == a), key=lambda p: d[a][p])
            chosen.append((a, p, min((n for b, _, n in every if b == a), key=lambda n: d[a][n])))
    violations = [d[a][p] - d[a][n] + margin for a, p, n in chosen]
    active = [violation for violation in violations if violation > 0]
    loss = sum(active) / len(active) if active else 0.0
    share = sum(d[a][p] - d[a][n] + margin > 0 for a, p, n in every) / len(every)
    positive = [d[i][j] for i, j in product(places, places) if i != j and y[i] == y[j]]
    negative = [d[i][j] for i, j in product(places, places) if y[i] != y[j]]
    return loss, share, sum(positive) / len(positive), sum(negative) / len(negative)


@pytest.mark.parametrize("miner", ["all", "hard", "semi-hard"])
@pytest.mark.parametrize("distance", list(BY_HAND))
def test_loss_and_statistics_equal_the_loop(distance: str, miner: str) -> None:
    vectors, labels = batch()
    loss, statistics = TripletLoss(0.3, distance, miner).measure(vectors, labels)
    found = (loss, statistics.active, statistics.positive_distance, statistics.negative_distance)
    expected = loop(vectors, labels, 0.3, distance, miner)
    assert expected[0] > 0
    assert loss.item() == pytest.approx(expected[0], rel=1e-9)
    assert tuple(float(value) for value in found) == pytest.approx(expected)


def test_a_distance_of_ones_own() -> None:
    vectors, labels = batch()

    def largest_difference(a: Tensor, b: Tensor) -> Tensor:
        return (a[:, None] - b[None]).abs().amax(2)

    own = TripletLoss(0.3, largest_difference, "all")(vectors, labels)
    BY_HAND["largest"] = lambda x, y: max(abs(a - b) for a, b in zip(x, y, strict=True))
    try:
        assert own.item() == pytest.approx(loop(vectors, labels, 0.3, "largest", "all")[0])
    finally:
        del BY_HAND["largest"]


@pytest.mark.parametrize("distance", ["euclidean", "squared", "cosine", "l1"])
def test_gradients_by_differences(distance: str) -> None:
    vectors, labels = batch(count=8, classes=2)
    loss = TripletLoss(0.3, distance, "all")
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), vectors.requires_grad_())


@pytest.mark.parametrize("distance", ["euclidean", "l1"])
def test_equal_vectors_have_finite_gradients(distance: str) -> None:
    vectors = torch.zeros(4, 3, requires_grad=True)
    loss = TripletLoss(0.3, distance, "all")(vectors, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(0.3)
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_a_batch_of_one_class_has_loss_and_gradient_zero() -> None:
    vectors = torch.randn(4, 3, requires_grad=True)
    loss = TripletLoss()(vectors, torch.zeros(4, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()


def test_value_of_pytorch_metric_learning() -> None:
    reference = pytest.importorskip("pytorch_metric_learning.losses")
    vectors, labels = batch(seed=5, count=40)
    theirs = reference.TripletMarginLoss(margin=0.2)(
        vectors, labels
    )  # every triplet, mean of the active ones
    assert TripletLoss(0.2, "euclidean", "all")(vectors, labels).item() == pytest.approx(theirs.item())


def test_what_is_not_allowed() -> None:
    with pytest.raises(ConfigError, match="margin is 0"):
        TripletLoss(margin=0)
    with pytest.raises(UnknownNameError, match="euclidean"):
        TripletLoss(distance="euclid")
    with pytest.raises(UnknownNameError, match="semi-hard"):
        TripletLoss(miner="semi")
    with pytest.raises(ConfigError, match="distance-weighted"):
        TripletLoss(distance="cosine", miner="distance-weighted")
    with pytest.raises(InputError, match="N×D and int64 N"):
        TripletLoss()(torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InputError, match="N×M"):
        TripletLoss(distance=lambda a, b: a.sum())(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("miner", ["all", "hard", "semi-hard"])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_distance_below_zero_is_a_distance_moved(miner: str, kind: torch.dtype) -> None:
    """Only differences of distances count, so the same distances less a constant are the same loss."""
    generator = torch.Generator().manual_seed(0)
    vectors, labels = torch.randn(12, 3, generator=generator), torch.arange(12) % 3

    def moved(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.cdist(a.to(kind), b.to(kind), compute_mode="donot_use_mm_for_euclid_dist") - 8

    own, statistics = TripletLoss(distance=moved, miner=miner).measure(vectors, labels)
    plain, expected = TripletLoss(miner=miner).measure(vectors, labels)
    assert float(own) == pytest.approx(float(plain), rel=1e-4)
    assert float(statistics.active) == pytest.approx(float(expected.active))
