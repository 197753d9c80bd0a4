"""TripletLoss: an image is to be nearer to its own class than to any other, by a margin. N vectors, D numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError, UnknownNameError
from convnets.evaluation.distances import Distance, distance_function, pairwise_distances
from convnets.training.objectives.miners import MINERS, active_share, mine
from convnets.training.objectives.pairs import PairStatistics, check_batch, mean_distances

__all__ = ["TripletLoss"]


class TripletLoss(nn.Module):
    """Mean of max(0, d(anchor, positive) − d(anchor, negative) + margin) over the mined triplets that are above 0.

    Source: Schroff, Kalenichenko & Philbin 2015, "FaceNet: a unified embedding for face recognition and
    clustering", equation 2; averaged over the active triplets as in Hermans et al. 2017, since the mean over all
    fades when most are content.

    margin: in units of the distance. distance: euclidean, squared, cosine, l1, or a function of N×D and M×D to
    N×M. miner: all, hard, semi-hard or distance-weighted. The vectors are taken as they come: bring them to length
    1 first, which distance-weighted needs. Raises ConfigError and UnknownNameError for what is not allowed.

    >>> loss = TripletLoss(margin=0.5, distance="squared", miner="all")
    >>> loss(torch.tensor([[0.0], [1.0], [1.0]]), torch.tensor([0, 0, 1]))
    tensor(1.)
    """

    def __init__(
        self, margin: float = 0.2, distance: str | Distance = "euclidean", miner: str = "semi-hard"
    ) -> None:
        super().__init__()
        if not margin > 0:
            raise ConfigError(f"margin is {margin}; allowed: above 0, such as 0.2")
        if miner not in MINERS:
            raise UnknownNameError("miner", miner, MINERS)
        if miner == "distance-weighted" and distance != "euclidean":
            raise ConfigError(
                f"distance is {distance!r}; the distance-weighted miner needs euclidean, on vectors of length 1"
            )
        distance_function(distance)
        self.margin, self.distance, self.miner = margin, distance, miner

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """float N×D, int64 N → a scalar; 0, with gradients of 0, where the batch holds no active triplet."""
        return self.measure(vectors, labels)[0]

    def measure(self, vectors: Tensor, labels: Tensor) -> tuple[Tensor, PairStatistics]:
        """The loss, and how many triplets of the batch are active and how far apart its pairs are."""
        check_batch(vectors, labels)
        distances = pairwise_distances(vectors, vectors, self.distance)
        anchors, positives, negatives = mine(
            self.miner, distances.detach(), labels, self.margin, dimensions=vectors.shape[1]
        )
        flat, rows = distances.flatten(), anchors * len(labels)  # one index is gathered faster than two
        near, far = flat.index_select(0, rows + positives), flat.index_select(0, rows + negatives)
        violations = near - far + self.margin
        active = violations > 0
        loss = torch.where(active, violations, 0).sum() / active.sum().clamp(min=1)
        share = active_share(distances.detach(), labels, self.margin)
        return loss, PairStatistics(share, *mean_distances(distances, labels))

    def extra_repr(self) -> str:
        """The options, for the network's text."""
        return f"margin={self.margin}, distance={self.distance!r}, miner={self.miner!r}"
