"""Miners: which triplets of a batch the loss looks at. N vectors of a batch, D numbers each, T triplets.

A triplet is an anchor, another image of its class (the positive) and an image of another class (the negative).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convnets.errors import UnknownNameError
from convnets.training.objectives.pairs import pair_masks

__all__ = ["MINERS", "Triplets", "active_share", "mine"]

MINERS = ("all", "hard", "semi-hard", "distance-weighted")
"""What `mine` knows."""

_CELLS_AT_ONCE = 1 << 22  # pairs × images that are looked at together
_NEAREST, _FARTHEST = 0.5, 1.4  # Wu et al. 2017: nearer ones count as 0.5, farther ones have no loss left


class Triplets(NamedTuple):
    """int64 T each: places in the batch."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


@torch.no_grad()
def mine(
    miner: str,
    distances: Tensor,
    labels: Tensor,
    margin: float = 0.2,
    *,
    dimensions: int | None = None,
    generator: torch.Generator | None = None,
) -> Triplets:
    """The triplets of a batch, from `distances` float N×N and `labels` int64 N, ordered by anchor.

    - `all`: every one
    - `hard`: for each anchor its farthest positive and nearest negative (Hermans et al. 2017, "In defense of the
      triplet loss", equation 5)
    - `semi-hard`: those whose negative is farther than the positive by less than the margin, d(a, p) < d(a, n) <
      d(a, p) + margin (Schroff et al. 2015, "FaceNet", equation 4)
    - `distance-weighted`: for each anchor and positive one negative, drawn with a chance that makes every distance
      as likely as any other (Wu et al. 2017, "Sampling matters in deep embedding learning", section 4.1); for
      vectors of length 1 in `dimensions` numbers, with `distances` Euclidean. `generator` draws; None is the
      global one.

    Raises UnknownNameError for another name.

    >>> distances = torch.tensor([[0.0, 0.5, 0.6], [0.5, 0.0, 0.9], [0.6, 0.9, 0.0]])
    >>> mine("semi-hard", distances, torch.tensor([0, 0, 1]), margin=0.2).negatives
    tensor([2])
    """
    if miner not in MINERS:
        raise UnknownNameError("miner", miner, MINERS)
    if miner == "hard":
        return _hardest(distances, labels)
    if miner == "distance-weighted":
        return _distance_weighted(distances, labels, dimensions or len(labels), generator)
    return _every(distances, labels, margin if miner == "semi-hard" else None)


def _every(distances: Tensor, labels: Tensor, margin: float | None) -> Triplets:
    """All triplets, or with a margin the semi-hard ones; some positive pairs at a time, so that memory is bounded."""
    positive, negative = pair_masks(labels)
    pairs = positive.nonzero()
    parts: list[Tensor] = []
    for start in range(0, len(pairs), step := max(1, _CELLS_AT_ONCE // max(1, len(labels)))):
        anchors, positives = pairs[start : start + step].unbind(1)
        chosen = negative[anchors]  # pairs × negatives
        if margin is not None:
            gap = distances[anchors] - distances[anchors, positives][:, None]
            chosen = chosen & (gap > 0) & (gap < margin)
        found, negatives = chosen.nonzero().unbind(1)
        kept = pairs[start : start + step].T.index_select(1, found)
        parts.append(torch.cat([kept, negatives[None]]))
    together = torch.cat(parts, dim=1) if parts else labels.new_zeros(3, 0)
    return Triplets(*together)


def _hardest(distances: Tensor, labels: Tensor) -> Triplets:
    positive, negative = pair_masks(labels)
    anchors = (positive.any(1) & negative.any(1)).nonzero().flatten()
    farthest = distances.masked_fill(~positive, -torch.inf)[anchors]
    nearest = distances.masked_fill(~negative, torch.inf)[anchors]
    return Triplets(anchors, farthest.argmax(1), nearest.argmin(1))


def _distance_weighted(
    distances: Tensor, labels: Tensor, dimensions: int, generator: torch.Generator | None
) -> Triplets:
    positive, negative = pair_masks(labels)
    allowed = negative & (distances < _FARTHEST)
    weights = torch.where(allowed, log_weights(distances, dimensions), -torch.inf)
    anchors, positives = (positive & allowed.any(1, keepdim=True)).nonzero().unbind(1)
    if len(anchors) == 0:
        return Triplets(anchors, positives, anchors)
    chances = weights[anchors].softmax(1)
    return Triplets(anchors, positives, chances.multinomial(1, generator=generator).flatten())


def log_weights(distances: Tensor, dimensions: int) -> Tensor:
    """−log q(d): how rare a distance is between random points of a sphere, q(d) ∝ d^(n−2) · (1 − d²/4)^((n−3)/2).

    Distances below 0.5 count as 0.5, or a few of the nearest, perhaps mislabeled, would be all that is drawn.
    Source: Wu et al. 2017, equation 3.
    """
    d = distances.clamp(_NEAREST, _FARTHEST)
    return -((dimensions - 2) * d.log() + (dimensions - 3) / 2 * (1 - d.square() / 4).log())


@torch.no_grad()
def active_share(distances: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Share of all triplets with d(a, p) + margin > d(a, n), a scalar; 0 where there is no triplet.

    Counted by sorting each anchor's negatives, without listing the triplets.

    >>> distances = torch.tensor([[0.0, 0.5, 0.6], [0.5, 0.0, 0.9], [0.6, 0.9, 0.0]])
    >>> active_share(distances, torch.tensor([0, 0, 1]), margin=0.2)
    tensor(0.5000)
    """
    positive, negative = pair_masks(labels)
    nearest_first = distances.masked_fill(~negative, torch.inf).sort(1).values
    nearer = torch.searchsorted(nearest_first, (distances + margin).contiguous())  # strictly nearer ones
    triplets = (positive.sum(1) * negative.sum(1)).sum()
    return (nearer * positive).sum() / triplets.clamp(min=1)
