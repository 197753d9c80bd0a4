"""Embedding vectors: one vector for each image of a set, from any stage of a network."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.evaluation.scores import hardware_for
from convnets.evaluation.vectors import compute_vectors
from convnets.models.stage import Stage, stage_of

__all__ = ["embedding_vectors"]


def embedding_vectors(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    stage: str = "embed",
    *,
    hardware: Hardware | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """float32 N×D: what `stage` gives for each image; maps N×C×H×W are averaged over their positions, to N×C.

    `stage` is pixels (D = C·H·W), features, embed, logits, or the name of a module. Raises UnknownNameError for others.

    >>> import torch
    >>> images = ImageSet(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), [0, 1, 0], ("cat", "dog"))
    >>> network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Flatten(), nn.Linear(180, 2))
    >>> embedding_vectors(network, images, Preprocess.plain(1, 8), "0").shape
    torch.Size([3, 5])
    """
    hardware = hardware_for(network, hardware)
    part = stage_of(network, stage)

    def answer(batch: Tensor) -> Tensor:
        with hardware.autocast():
            given: Tensor = part(batch)
        if given.ndim < 3 or (isinstance(part, Stage) and stage == "pixels"):
            return given.flatten(1)
        return given.float().flatten(2).mean(2)

    return compute_vectors(answer, network, images, preprocess, hardware, progress=progress)
