"""Losses on pairs, to compare the triplet loss with. N vectors of a batch, D numbers each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.evaluation.distances import Distance, distance_function, pairwise_distances, refuse_negative
from convnets.training.objectives.pairs import PairStatistics, check_batch, mean_distances, pair_masks

__all__ = ["ContrastiveLoss", "MultiSimilarityLoss"]


class ContrastiveLoss(nn.Module):
    """Positive pairs are drawn together, negative ones pushed apart up to a margin.

    Mean of d² over the positive pairs + mean of max(0, margin − d)² over the negative pairs nearer than the margin.
    Source: Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping", equation 4,
    without its factor ½ and with a mean for each kind of pair: a batch has many more negative pairs.

    >>> loss = ContrastiveLoss(margin=1.0)
    >>> round(loss(torch.tensor([[0.0], [0.5], [0.75]]), torch.tensor([0, 0, 1])).item(), 4)
    0.5625
    """

    def __init__(self, margin: float = 1.0, distance: str | Distance = "euclidean") -> None:
        super().__init__()
        if not margin > 0:
            raise ConfigError(f"margin is {margin}; allowed: above 0, such as 1")
        distance_function(distance)
        self.margin, self.distance = margin, distance

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """float N×D, int64 N → a scalar."""
        return self.measure(vectors, labels)[0]

    def measure(self, vectors: Tensor, labels: Tensor) -> tuple[Tensor, PairStatistics]:
        """The loss, the share of the negative pairs that are nearer than the margin, and the mean distances."""
        check_batch(vectors, labels)
        distances = pairwise_distances(vectors, vectors, self.distance)
        if callable(self.distance):
            refuse_negative(distances, "the contrastive loss squares distances and")
        positive, negative = pair_masks(labels)
        near = negative & (distances.detach() < self.margin)
        drawn = torch.where(positive, distances.square(), 0).sum() / positive.sum().clamp(min=1)
        pushed = torch.where(near, (self.margin - distances).square(), 0).sum() / near.sum().clamp(min=1)
        share = near.sum() / negative.sum().clamp(min=1)
        return drawn + pushed, PairStatistics(share, *mean_distances(distances, labels))


class MultiSimilarityLoss(nn.Module):
    """Pairs weighed by their own similarity and by that of the other pairs of their anchor.

    With S the cosine similarity, of each anchor only negatives with S > min S(positives) − ε and positives with
    S < max S(negatives) + ε count; the loss is the mean over the batch of
    log(1 + Σ exp(−α (S⁺ − λ))) / α + log(1 + Σ exp(β (S⁻ − λ))) / β.
    Source: Wang et al. 2019, "Multi-similarity loss with general pair weighting for deep metric learning",
    equations 10, 11 and 15, with the paper's α = 2, β = 50, ε = 0.1 and λ = 0.5.

    >>> loss = MultiSimilarityLoss()
    >>> bool(loss(torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1])) < 0.4)
    True
    """

    def __init__(
        self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5, epsilon: float = 0.1
    ) -> None:
        super().__init__()
        if not alpha > 0 or not beta > 0:
            raise ConfigError(f"alpha is {alpha}, beta {beta}; allowed: both above 0, such as 2 and 50")
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """float N×D, int64 N → a scalar."""
        return self.measure(vectors, labels)[0]

    def measure(self, vectors: Tensor, labels: Tensor) -> tuple[Tensor, PairStatistics]:
        """The loss, the share of all pairs that count, and the mean cosine distances."""
        check_batch(vectors, labels)
        distances = pairwise_distances(vectors, vectors, "cosine")
        similarity = 1 - distances
        positive, negative = pair_masks(labels)
        with torch.no_grad():
            least = similarity.masked_fill(~positive, torch.inf).amin(1, keepdim=True)
            most = similarity.masked_fill(~negative, -torch.inf).amax(1, keepdim=True)
            pulled = positive & (similarity - self.epsilon < most)
            pushed = negative & (similarity + self.epsilon > least)
        loss = _soft_sum(-self.alpha * (similarity - self.base), pulled) / self.alpha
        loss = loss + _soft_sum(self.beta * (similarity - self.base), pushed) / self.beta
        share = (pulled.sum() + pushed.sum()) / (positive.sum() + negative.sum()).clamp(min=1)
        return loss.mean(), PairStatistics(share, *mean_distances(distances, labels))


def _soft_sum(exponents: Tensor, mask: Tensor) -> Tensor:
    """log(1 + Σ exp) over each row's pairs of the mask, N×N → N, without overflow."""
    chosen = exponents.masked_fill(~mask, -torch.inf)
    return torch.cat([chosen, chosen.new_zeros(len(chosen), 1)], dim=1).logsumexp(1)
