"""BalancedBatches: batches in which every class comes equally often, whatever its number of images."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.data.batches import Batches

__all__ = ["BalancedBatches", "balanced_order"]


def balanced_order(labels: Tensor, seed: int, epoch: int = 0) -> Tensor:
    """int64 N: places of as many images as there are, of each class equally many to within one.

    An image of a rare class comes several times, one of a frequent class perhaps not at all; within a class no image
    comes twice more often than another. A pure function of its arguments.

    >>> balanced_order(torch.tensor([0, 0, 0, 1]), seed=0).shape
    torch.Size([4])
    """
    generator = generator_for(seed, "balanced order", epoch)
    classes = torch.bincount(labels).nonzero().flatten()
    share, more = divmod(len(labels), len(classes))
    lucky = set(torch.randperm(len(classes), generator=generator)[:more].tolist())
    chosen = []
    for place, label in enumerate(classes.tolist()):
        members = (labels == label).nonzero().flatten()
        wanted = share + (place in lucky)
        rounds = -(-wanted // len(members))
        drawn = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
        chosen.append(torch.cat(drawn)[:wanted] if drawn else members[:0])
    order = torch.cat(chosen)
    return order[torch.randperm(len(order), generator=generator)]


class BalancedBatches(Batches):
    """An ImageSet as batches with equally many images of each class in an epoch, drawn anew for each."""

    def order(self, epoch: int) -> Tensor:
        """int64 N: which image comes when in this epoch."""
        return balanced_order(self.image_set.labels, self.seed, epoch)
