"""Ensemble: several networks of one architecture that answer as one, by the mean of their probabilities.

N images, C channels, H height, W width, M members, D features of a member's embedding, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convnets.errors import ConfigError
from convnets.models.architecture import Architecture
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier

__all__ = ["ENSEMBLE", "Ensemble", "create_ensemble"]

ENSEMBLE = "ensemble"
"""The name of its architecture in a model folder; it is no network of the catalogue and is not trained."""


class Ensemble(ImageClassifier):
    """Members that were trained apart, such as on the folds of a cross-validation.

    Idea: the mean of the members' probabilities; mistakes that they do not share are outvoted (Hansen & Salamon 1990,
    "Neural network ensembles").
    Input: pixels in [0, 1] that are not normalized: each member subtracts its own mean and divides by its own spread,
    which it learned from its own training images.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        members: Sequence[ImageClassifier],
        normalization: Sequence[tuple[Sequence[float], Sequence[float]]],
    ) -> None:
        first = members[0]
        super().__init__(
            in_channels=first.in_channels,
            num_classes=first.num_classes,
            embedding_size=first.embedding_size * len(members),
            sizes=first.sizes,
        )
        self.members = nn.ModuleList(members)
        for name, values in zip(("mean", "std"), zip(*normalization, strict=True), strict=True):
            self.register_buffer(name, torch.tensor(values).view(len(members), 1, -1, 1, 1))  # M×1×C×1×1

    def features(self, x: Tensor) -> Tensor:
        """The members' last maps, one behind another: N×(M·C)×H×W."""
        self.check_input(x)
        return torch.cat([member.features(own) for member, own in self._inputs(x)], 1)

    def embed(self, x: Tensor) -> Tensor:
        """The members' embeddings, one behind another: N×(M·D)."""
        self.check_input(x)
        return torch.cat([member.embed(own) for member, own in self._inputs(x)], 1)

    def classify(self, maps: Tensor) -> Tensor:
        """Logarithms of the mean of the members' probabilities, which are logits too: N×K."""
        parts = maps.chunk(len(self.members), 1)
        scores = [member.classify(own) for member, own in zip(self._members, parts, strict=True)]
        logs = torch.stack([each.float().log_softmax(1) for each in scores])  # M×N×K
        return logs.logsumexp(0) - torch.tensor(float(len(scores))).log()

    def forward(self, x: Tensor) -> Tensor:
        """`classify(features(x))`: N×K."""
        return self.classify(self.features(x))

    @property
    def _members(self) -> list[Any]:
        return list(self.members)

    def _inputs(self, x: Tensor) -> list[tuple[Any, Tensor]]:
        """Each member with the images as it was trained on them."""
        return [
            (member, (x - self.mean[place]) / self.std[place]) for place, member in enumerate(self.members)
        ]


def create_ensemble(member: Mapping[str, Any], count: int, channels: int) -> Ensemble:
    """`count` networks of the architecture `member` (its name and arguments), with weights to be filled in.

    Raises ConfigError for a count below 1, and what `create_model` raises.

    >>> create_ensemble({"name": "lenet", "arguments": {}}, 3, 1)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1000:
        raise ConfigError(f"an ensemble of {count!r} members; allowed: 1 to 1,000")
    networks = [create_model(member["name"], **member["arguments"]) for _ in range(count)]
    made = Ensemble(networks, [((0.0,) * channels, (1.0,) * channels)] * count)
    made.architecture = Architecture(ENSEMBLE, {"member": dict(member), "count": count, "channels": channels})
    return made
