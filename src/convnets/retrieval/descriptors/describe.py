"""Describe: the vectors of a set of images, and a whitening fitted on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.evaluation.vectors import compute_vectors
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.descriptors.whitening import fit_whitening

__all__ = ["describe", "whitened"]


def describe(
    network: nn.Module,
    images: ImageSet | Tensor,
    preprocess: Preprocess,
    descriptor: Descriptor | None = None,
    *,
    batch_size: int | None = None,
    hardware: Hardware | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The vector of every image: float32 N×D on the processor, of length 1, in the order of the images.

    images: an ImageSet, or uint8 N×C×H×W. descriptor: `Descriptor()` without, the network's own embedding.
    batch_size: images per batch; None chooses by their size. hardware: None is the network's own device in
    float32. workers: processes that decode images that are still files. progress: (images done, in all).

    Raises UnknownNameError for a stage or pooling that is not there, InputError for a pooling that the stage's
    shape does not fit, TrainingError where a vector is not finite, ImageDecodeError for a file that is no picture.

    >>> from convnets.models.catalogue import create_model
    >>> pixels = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    >>> network = create_model("lenet_bn", seed=0)
    >>> describe(network, pixels, Preprocess.plain(1, 28)).shape
    torch.Size([3, 84])
    """
    if isinstance(images, Tensor):
        images = ImageSet(images, torch.zeros(len(images), dtype=torch.int64), ("",), "given images")
    model = TrainedModel(network, ("",), preprocess)
    embedder = Embedder(model, Descriptor() if descriptor is None else descriptor, hardware)
    return compute_vectors(
        embedder.vectors,
        network,
        images,
        preprocess,
        embedder.hardware,
        batch_size=batch_size,
        workers=workers,
        progress=progress,
    )


def whitened(
    network: nn.Module,
    images: ImageSet | Tensor,
    preprocess: Preprocess,
    descriptor: Descriptor | None = None,
    *,
    size: int | None = None,
    hardware: Hardware | None = None,
) -> Descriptor:
    """`descriptor` with a whitening to `size` numbers, fitted on the vectors of `images`.

    >>> images = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
    >>> fitted = whitened(nn.Identity(), images, Preprocess.plain(1, 8), Descriptor("pixels"), size=5)
    >>> describe(nn.Identity(), images, Preprocess.plain(1, 8), fitted).shape
    torch.Size([40, 5])
    """
    plain = replace(Descriptor() if descriptor is None else descriptor, whitening=None)
    vectors = describe(network, images, preprocess, plain, hardware=hardware)
    return replace(plain, whitening=fit_whitening(vectors, size))
