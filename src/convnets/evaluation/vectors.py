"""Vectors: what a network, or a part of it, gives for every image of a set. N images, D numbers each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.evaluation.scores import check_finite, evaluation_mode, images_at_once

__all__ = ["compute_vectors"]


def compute_vectors(
    answer: Callable[[Tensor], Tensor],
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    hardware: Hardware,
    *,
    batch_size: int | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """`answer` (normalized images → N×D) for every image, float32 N×D on the processor, in the images' order.

    `network` is what `answer` computes with: it is in evaluation mode meanwhile and left as found.
    batch_size: images per batch; None chooses by their size. progress: called with (images done, in all).
    Raises TrainingError when a vector is not finite, ImageDecodeError for a file that is not a picture.

    >>> pixels = torch.full((3, 1, 8, 8), 255, dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 0]), ("cat", "dog"), "white")
    >>> cpu = Hardware(torch.device("cpu"), torch.float32, threads=1)
    >>> compute_vectors(lambda x: x.mean((2, 3)), nn.Identity(), images, Preprocess.plain(1, 8), cpu).shape
    torch.Size([3, 1])
    """
    size = images_at_once(preprocess, 1, hardware) if batch_size is None else batch_size
    batches = Batches(images, preprocess, size, device=hardware.device, workers=workers)
    found: Tensor | None = None
    done = 0
    with evaluation_mode(network), ThreadPace(hardware) as pace:
        for batch in batches.epoch():
            with pace.working():
                vectors = answer(batch.images).float()
            if found is None:  # filled batch by batch: a list and its sum would need the memory twice
                with torch.inference_mode(False):  # an inference tensor could not be trained on later
                    found = torch.empty(len(images), vectors.shape[1])
            found[done : done + len(vectors)] = vectors
            done += len(vectors)
            if progress is not None:
                progress(done, len(images))
    assert found is not None  # an ImageSet is never empty
    check_finite(found, images.source)
    return found
