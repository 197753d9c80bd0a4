"""ClassLoss: cross-entropy, also for classes with unequal numbers of images.

N images of a batch, K classes, n_c images of class c, π_c = n_c / Σ n.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.errors import ConfigError
from convnets.training.config import TrainConfig

__all__ = ["ClassLoss", "balanced_weights"]


def balanced_weights(counts: Tensor) -> Tensor:
    """float32 K: Σ n / (K' · n_c) with K' classes that have images; a class without any has weight 0.

    Their mean over the training images is 1, so that the learning rate means what it did.

    >>> balanced_weights(torch.tensor([30, 10]))
    tensor([0.6667, 2.0000])
    """
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1)).double()
    return torch.where(present, weights, 0.0).float()


class ClassLoss:
    """The mean loss of a batch, as the options ask.

    - `class_weights="balanced"`: each image counts by the weight of its class. The mean is over images, not over
      weights, so that the parts of a batch add up to the same gradient.
    - `logit_adjustment=τ`: the loss sees logits + τ · log π (Menon et al., "Long-tail learning via logit
      adjustment", 2021, eq. 10). The network's own logits, by which it answers, are then fit for equally many images
      of each class. A class without any images counts as one of one image.
    """

    def __init__(self, config: TrainConfig, counts: Tensor | None = None) -> None:
        self.label_smoothing = config.label_smoothing
        weighted, adjusted = config.class_weights == "balanced", config.logit_adjustment
        if counts is None and (weighted or adjusted):
            raise ConfigError("class_weights and logit_adjustment need the number of images of each class")
        self.weights = balanced_weights(counts) if counts is not None and weighted else None
        self.adjustment = None
        if counts is not None and adjusted:
            share = counts.clamp(min=1).double() / counts.sum()
            self.adjustment = (adjusted * share.log()).float()

    def to(self, device: torch.device) -> ClassLoss:
        """On the device of the logits."""
        self.weights = None if self.weights is None else self.weights.to(device)
        self.adjustment = None if self.adjustment is None else self.adjustment.to(device)
        return self

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits float N×K and targets, int64 N or shares float N×K → a scalar, in nats."""
        logits = logits.float()
        if self.adjustment is not None:
            logits = logits + self.adjustment
        smoothing = self.label_smoothing
        if self.weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=smoothing)
        summed = F.cross_entropy(
            logits, targets, weight=self.weights, label_smoothing=smoothing, reduction="sum"
        )
        return summed / len(targets)
