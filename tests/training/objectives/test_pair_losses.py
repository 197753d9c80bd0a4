"""Contrastive and multi-similarity losses against plain loops and pytorch-metric-learning."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError, InputError
from convnets.training.objectives.pair_losses import ContrastiveLoss, MultiSimilarityLoss


def batch(seed: int = 0, count: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, 5, dtype=torch.float64, generator=generator)
    labels = torch.arange(count) % 4
    return F.normalize(vectors), labels


def test_contrastive_equals_the_loop() -> None:
    vectors, labels = batch()
    loss, statistics = ContrastiveLoss(margin=0.9).measure(vectors, labels)
    x, y = vectors.tolist(), labels.tolist()
    pairs = [(math.dist(x[i], x[j]), y[i] == y[j]) for i, j in product(range(16), range(16)) if i != j]
    drawn = [d * d for d, same in pairs if same]
    pushed = [(0.9 - d) ** 2 for d, same in pairs if not same and d < 0.9]
    different = sum(not same for _, same in pairs)
    assert loss.item() == pytest.approx(sum(drawn) / len(drawn) + sum(pushed) / len(pushed))
    assert 0 < len(pushed) < different
    assert statistics.active.item() == pytest.approx(len(pushed) / different)


def test_multi_similarity_equals_the_loop() -> None:
    vectors, labels = batch()
    loss, statistics = MultiSimilarityLoss().measure(vectors, labels)
    x, y = vectors.tolist(), labels.tolist()
    total, counted = 0.0, 0
    for i in range(16):
        similar = {j: sum(a * b for a, b in zip(x[i], x[j], strict=True)) for j in range(16) if j != i}
        same = {j: s for j, s in similar.items() if y[j] == y[i]}
        other = {j: s for j, s in similar.items() if y[j] != y[i]}
        pulled = [s for s in same.values() if s - 0.1 < max(other.values())]
        pushed = [s for s in other.values() if s + 0.1 > min(same.values())]
        counted += len(pulled) + len(pushed)
        total += math.log1p(sum(math.exp(-2 * (s - 0.5)) for s in pulled)) / 2
        total += math.log1p(sum(math.exp(50 * (s - 0.5)) for s in pushed)) / 50
    assert loss.item() == pytest.approx(total / 16)
    assert 0 < counted < 16 * 15
    assert statistics.active.item() == pytest.approx(counted / (16 * 15))


def test_multi_similarity_of_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    vectors, labels = batch(3, 32)
    pairs = miners.MultiSimilarityMiner(epsilon=0.1)(vectors, labels)
    theirs = losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)(vectors, labels, pairs)
    assert MultiSimilarityLoss()(vectors, labels).item() == pytest.approx(theirs.item())


def test_contrastive_of_pytorch_metric_learning() -> None:
    reference = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    vectors, labels = batch(3, 32)
    # theirs is not squared: with squared distances and no negative in reach both are the mean of d²
    theirs = reference.ContrastiveLoss(
        pos_margin=0, neg_margin=0, distance=distances.LpDistance(normalize_embeddings=False, power=2)
    )(vectors, labels)
    assert ContrastiveLoss(margin=1e-9)(vectors, labels).item() == pytest.approx(theirs.item())


@pytest.mark.parametrize("loss", [ContrastiveLoss(), MultiSimilarityLoss()])
def test_gradients_by_differences(loss: ContrastiveLoss | MultiSimilarityLoss) -> None:
    vectors, labels = batch(count=8)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), vectors.requires_grad_())


@pytest.mark.parametrize("loss", [ContrastiveLoss(), MultiSimilarityLoss()])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_batches_without_one_kind_of_pair(
    loss: ContrastiveLoss | MultiSimilarityLoss, labels: list[int]
) -> None:
    vectors = torch.randn(3, 4, requires_grad=True)
    value = loss(vectors, torch.tensor(labels))
    value.backward()
    assert value.isfinite()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_what_is_not_allowed() -> None:
    with pytest.raises(ConfigError, match="margin is -1"):
        ContrastiveLoss(margin=-1)
    with pytest.raises(ConfigError, match="beta 0"):
        MultiSimilarityLoss(beta=0)


def test_negative_distances_are_refused_where_they_are_squared() -> None:
    vectors, labels = torch.randn(6, 3), torch.tensor([0, 0, 1, 1, 2, 2])
    with pytest.raises(InputError, match="squares distances and allows 0 and more, such as 1 − similarity"):
        ContrastiveLoss(distance=lambda a, b: -(a @ a.T).abs())(vectors, labels)
    assert ContrastiveLoss(distance=lambda a, b: 1 + (a @ b.T).tanh())(vectors, labels) > 0
