"""Metrics: how well a network's descriptor finds images of the same class. See `RetrievalScores` for definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.evaluation.distances import Distance
from convnets.evaluation.ranking import ClassRetrieval, RetrievalScores, score_retrieval
from convnets.retrieval.descriptors.describe import describe
from convnets.retrieval.descriptors.descriptor import Descriptor

__all__ = ["ClassRetrieval", "RetrievalScores", "evaluate_retrieval", "score_retrieval"]


def evaluate_retrieval(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    descriptor: Descriptor | None = None,
    *,
    ks: Sequence[int] = (1, 2, 4, 8),
    distance: str | Distance = "euclidean",
    hardware: Hardware | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalScores:
    """Describe `images` and let each search among all others: `describe`, then `score_retrieval`.

    >>> import torch
    >>> pixels = torch.tensor([[10, 20], [10, 21], [90, 0], [91, 0]], dtype=torch.uint8).view(4, 1, 1, 2)
    >>> images = ImageSet(pixels.repeat(1, 1, 2, 1), torch.tensor([0, 0, 1, 1]), ("cat", "dog"), "x")
    >>> scores = evaluate_retrieval(nn.Identity(), images, Preprocess.plain(1, 2), Descriptor("pixels"))
    >>> scores.recall[1], scores.map_at_r
    (1.0, 1.0)
    """
    vectors = describe(
        network, images, preprocess, descriptor, hardware=hardware, workers=workers, progress=progress
    )
    return score_retrieval(vectors, images.labels, images.classes, ks=ks, distance=distance)
