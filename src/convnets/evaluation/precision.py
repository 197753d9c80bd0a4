"""Whether a trained network may answer in bf16: measured on images, not assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.evaluation.evaluate import evaluate

__all__ = ["TOLERANCE", "PrecisionCheck", "compare_precisions", "settle_precision"]

TOLERANCE = 0.001
"""Accuracy that bf16 may lose, as a share: 0.1 point."""

_IMAGES = 1000  # then one image more or less is the tolerance


@dataclass(frozen=True)
class PrecisionCheck:
    """The same images judged in both precisions. Accuracies are shares from 0 to 1."""

    images: int
    fp32_accuracy: float
    bf16_accuracy: float

    @property
    def bf16_holds(self) -> bool:
        """Whether bf16 loses at most `TOLERANCE` of accuracy."""
        return self.bf16_accuracy >= self.fp32_accuracy - TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "bf16_holds": self.bf16_holds}


def compare_precisions(
    network: nn.Module, images: ImageSet, preprocess: Preprocess, hardware: Hardware
) -> PrecisionCheck:
    """Evaluate `network` in float32 and in bf16 on at most 1,000 of `images`, spread evenly over them.

    >>> pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 0]), ("cat", "dog"), "zeros")
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> cpu = Hardware(torch.device("cpu"), torch.float32, threads=1)
    >>> compare_precisions(network, images, Preprocess.plain(channels=1, size=8), cpu).bf16_holds
    True
    """
    step = -(-len(images) // _IMAGES)
    sample = images.subset(range(0, len(images), step))
    accuracies = [
        evaluate(network, sample, preprocess, hardware=replace(hardware, dtype=dtype)).accuracy
        for dtype in (torch.float32, torch.bfloat16)
    ]
    return PrecisionCheck(len(sample), *accuracies)


def settle_precision(hardware: Hardware, metrics: Mapping[str, Any]) -> Hardware:
    """`hardware`, in float32 where the precision was left to us and the model's own check says that bf16 loses.

    >>> cpu = Hardware(torch.device("cpu"), torch.bfloat16, threads=1, automatic=True)
    >>> settle_precision(cpu, {"precision": {"bf16_holds": False}}).precision
    'fp32'
    """
    check = metrics.get("precision")
    loses = isinstance(check, Mapping) and check.get("bf16_holds") is False
    return replace(hardware, dtype=torch.float32) if hardware.automatic and loses else hardware
