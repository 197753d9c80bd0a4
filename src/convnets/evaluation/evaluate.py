"""Evaluate: a network on labeled images, with the protocol said."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.checkpoints.model_source import ModelSource, open_model
from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace
from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.metrics import cross_entropy
from convnets.evaluation.scores import (
    check_finite,
    evaluation_mode,
    hardware_for,
    images_at_once,
    log_probabilities,
)
from convnets.evaluation.views import VIEWS, preprocess_for_views

__all__ = ["describe_protocol", "evaluate"]


def evaluate(
    model: nn.Module | ModelSource,
    images: ImageSet,
    preprocess: Preprocess | None = None,
    *,
    batch_size: int | None = None,
    hardware: Hardware | None = None,
    views: int = 1,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Ask a network (logits N×K) for every image and measure its answers; its mode is left as found.

    model: a run, a model folder or a `TrainedModel`; or a bare network, whose `preprocess` has to be given.
    batch_size: images per batch; None chooses by their size, so that memory stays bounded.
    hardware: where and in which precision; None is the network's own device, in float32.
    views: 1 center crop, 2 with its mirror image, 5 center and corners, 10 with their mirror images, 6 the two moved
        by a pixel along the diagonal, for small pictures; the probabilities are averaged.
    workers: processes that decode images that are still files; 0 decodes in this one.
    progress: called with (images done, images in all) after each batch.

    Raises ConfigError for other numbers of views, InputError when the model has other classes than the images,
    DeviceError when it is elsewhere than `hardware`, TrainingError when it gives NaN or infinity, and
    ImageDecodeError for a file that is not a picture.

    >>> pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    >>> images = ImageSet(pixels, torch.tensor([0, 1, 0]), ("cat", "dog"), "zeros")
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> evaluate(network, images, Preprocess.plain(channels=1, size=8)).images
    3
    """
    network, preprocess = _opened(model, images, preprocess, hardware)
    hardware = hardware_for(network, hardware)
    started = time.perf_counter()
    wide = preprocess_for_views(preprocess, views)
    size = images_at_once(preprocess, views, hardware) if batch_size is None else batch_size
    batches = Batches(images, wide, size, device=hardware.device, workers=workers)
    scores: list[Tensor] = []
    done = 0
    with evaluation_mode(network), ThreadPace(hardware) as pace:
        accelerated = for_inference(network, hardware.dtype)
        for batch in batches.epoch():
            with pace.working():
                scores.append(log_probabilities(accelerated, batch.images, preprocess.size, views, hardware))
            _check_classes(scores[-1], images)
            done += len(scores[-1])
            if progress is not None:
                progress(done, len(images))
    log_p = torch.cat(scores).cpu().clone()  # an inference tensor could not be used in later training
    check_finite(log_p, images.source)
    return Evaluation(
        probabilities=log_p.exp(),
        labels=images.labels,
        classes=images.classes,
        loss=cross_entropy(log_p, images.labels),
        seconds=time.perf_counter() - started,
        protocol=describe_protocol(preprocess, views, hardware),
    )


def _opened(
    model: nn.Module | ModelSource, images: ImageSet, preprocess: Preprocess | None, hardware: Hardware | None
) -> tuple[nn.Module, Preprocess]:
    """The network, and how images become its input; classes of a trained model must be those of the images."""
    if isinstance(model, nn.Module):
        if preprocess is None:
            raise InputError(
                f"a bare {type(model).__name__} does not say how images become its input; give preprocess=…, "
                "or a run, a model folder or a TrainedModel"
            )
        return model, preprocess
    trained = open_model(model, "cpu" if hardware is None else hardware.device, only_to_ask=True)
    if trained.classes != images.classes and len(trained.classes) == len(images.classes):
        own, other = next(
            pair for pair in zip(trained.classes, images.classes, strict=True) if pair[0] != pair[1]
        )
        raise InputError(
            f"{images.source} has the class {other!r} where the model has {own!r}; names and order must be equal"
        )
    return trained.network, trained.preprocess if preprocess is None else preprocess


def _check_classes(scores: Tensor, images: ImageSet) -> None:
    if scores.shape[1] != len(images.classes):
        raise InputError(
            f"the network tells {scores.shape[1]} classes apart, {images.source} has {len(images.classes)}; "
            "they must be equal: evaluate on images of the classes it was trained on"
        )


def describe_protocol(preprocess: Preprocess, views: int, hardware: Hardware) -> str:
    """Crops, sizes in pixels and precision in a few words.

    >>> cpu = Hardware(torch.device("cpu"), torch.float32, threads=1)
    >>> describe_protocol(Preprocess.plain(channels=3, size=224, resize=256), 1, cpu)
    'single center crop, 224 px of short side 256, fp32'
    """
    side = preprocess_for_views(preprocess, views).resize
    return f"{VIEWS[views]}, {preprocess.size} px of short side {side}, {hardware.precision}"
