"""EmbeddingObjective: what a run minimizes when it trains vectors instead of, or beside, classes.

N images of a batch, D numbers of a vector, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.errors import ConfigError, UsageError
from convnets.evaluation.distances import pairwise_distances
from convnets.layers.global_pooling import GeneralizedMean, pool
from convnets.models.stage import EmbedAndClassify, Stage
from convnets.training.config import TrainConfig
from convnets.training.objectives.pair_losses import ContrastiveLoss, MultiSimilarityLoss
from convnets.training.objectives.pairs import PairStatistics
from convnets.training.objectives.triplet_loss import TripletLoss

__all__ = [
    "EmbeddingObjective",
    "EmbeddingStatistics",
    "build_loss",
    "build_objective",
    "check_classifies",
]

EmbeddingLoss = TripletLoss | ContrastiveLoss | MultiSimilarityLoss
_MARGINS = {"triplet": 0.2, "contrastive": 1.0}  # for vectors of length 1


@dataclass(frozen=True)
class EmbeddingStatistics:
    """Means over the steps of an epoch so far."""

    active: float
    """Share of triplets (or pairs) that the loss is not content with, 0 to 1."""
    positive_distance: float
    negative_distance: float


def build_loss(config: TrainConfig) -> EmbeddingLoss:
    """The loss that the options name; raises UsageError for names and margins that are not allowed."""
    if config.objective == "multi-similarity":
        return MultiSimilarityLoss()
    margin = _MARGINS[config.objective] if config.margin is None else config.margin
    if config.objective == "contrastive":
        return ContrastiveLoss(margin, config.distance)
    return TripletLoss(margin, config.distance, config.miner)


def build_objective(config: TrainConfig) -> EmbeddingObjective | None:
    """The objective on vectors that the options ask for; None for plain classification.

    >>> build_objective(TrainConfig(objective="triplet", margin=0.1)).loss
    TripletLoss(margin=0.1, distance='euclidean', miner='semi-hard')
    >>> build_objective(TrainConfig()) is None
    True
    """
    return None if config.objective == "classification" else EmbeddingObjective(config)


def check_classifies(model: TrainedModel) -> None:
    """Raise UsageError for a model that learned vectors alone: its classifier is as random as it was built."""
    known = model.metrics.get("embedding")
    if isinstance(known, dict) and not known.get("classifies"):
        raise UsageError(
            f"this model learned vectors by objective {known.get('objective')}, and no classes; search with it: "
            "convnets index build; to name classes too, train with classification_weight above 0"
        )


class EmbeddingObjective:
    """Vectors of length 1 from a network, a loss on them, and optionally the cross-entropy of its classifier.

    The vectors are the network's `embed` (its output where it has none), or its `features` pooled as the option
    `pooling` says; the exponent of `gem` is learned with the weights.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.loss = build_loss(config)
        self.pool = GeneralizedMean() if config.pooling == "gem" else None
        self._sums = torch.zeros(4, dtype=torch.float64)

    def stage(self, network: nn.Module) -> Stage:
        """The part of `network` that vectors are made from."""
        if self.config.pooling != "own":
            return Stage(network, "features")
        return Stage(network, "embed" if hasattr(network, "embed") else "logits")

    def through(self, network: nn.Module) -> nn.Module:
        """What a training step computes: the stage, with logits beside it where classes are learned too."""
        if not self.config.classification_weight:
            return self.stage(network)
        if self.config.pooling != "own":
            raise ConfigError(
                f"pooling is {self.config.pooling} and classification_weight {self.config.classification_weight}; "
                "the classifier stands on the network's own embedding: leave one of them out"
            )
        return EmbedAndClassify(network)

    def to(self, device: torch.device) -> None:
        """Move the learned exponent, where there is one, and the sums."""
        if self.pool is not None:
            self.pool.to(device)
        self._sums = self._sums.to(device, torch.float32 if device.type == "mps" else torch.float64)

    def parameters(self) -> list[nn.Parameter]:
        """What is learned beside the network's weights."""
        return [] if self.pool is None else list(self.pool.parameters())

    def vectors(self, answer: Tensor) -> Tensor:
        """What the stage gave → float32 N×D of length 1."""
        answer = answer.float()
        if self.pool is not None:
            answer = self.pool(answer)
        elif self.config.pooling != "own":
            answer = pool(answer, self.config.pooling)
        return F.normalize(answer.flatten(1))

    def judge(self, answer: Tensor | tuple[Tensor, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and how many images have one of their class as nearest neighbor in the batch.

        `answer` is what `through(network)` gave; the statistics of the epoch move on.
        """
        logits = None
        if isinstance(answer, tuple):
            answer, logits = answer
        vectors = self.vectors(answer)
        loss, statistics = self.loss.measure(vectors, labels)
        self._count(statistics)
        if logits is not None:
            head = F.cross_entropy(logits.float(), labels, label_smoothing=self.config.label_smoothing)
            loss = loss + self.config.classification_weight * head
        return loss, _nearest_are_right(vectors.detach(), labels)

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before."""
        self._sums.zero_()

    @property
    def statistics(self) -> EmbeddingStatistics:
        """Of the epoch so far; waits for the device."""
        *sums, steps = self._sums.tolist()
        return EmbeddingStatistics(*(value / max(1.0, steps) for value in sums))

    def _count(self, statistics: PairStatistics) -> None:
        seen = (statistics.active, statistics.positive_distance, statistics.negative_distance)
        row = [value.detach().to(self._sums.dtype) for value in seen]
        self._sums += torch.stack([*row, torch.ones_like(row[0])])

    def to_dict(self) -> dict[str, Any]:
        """What the model folder keeps: how vectors are made of the network, and what they were trained by."""
        own = self.config.pooling == "own"
        return {
            "objective": self.config.objective,
            "stage": "embed" if own else "features",
            "pooling": "flatten" if own else self.config.pooling,
            "p": 3.0 if self.pool is None else max(0.1, float(self.pool.p.detach())),
            "classifies": self.config.classification_weight > 0,
        }

    @torch.no_grad()
    def use(self, known: dict[str, Any]) -> None:
        """Make vectors with the exponent that `to_dict` told of, that of the best epoch."""
        if self.pool is not None:
            self.pool.p.fill_(float(known["p"]))

    def state_dict(self) -> dict[str, Any]:
        """All of it, for the training state."""
        return {"pool": None if self.pool is None else self.pool.state_dict(), "sums": self._sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        if self.pool is not None:
            self.pool.load_state_dict(state["pool"])
        self._sums = state["sums"].to(self._sums.device)


@torch.no_grad()
def _nearest_are_right(vectors: Tensor, labels: Tensor) -> Tensor:
    distances = pairwise_distances(vectors, vectors, "cosine").fill_diagonal_(torch.inf)
    return (labels[distances.argmin(1)] == labels).sum()
