"""Descriptors: how an image becomes one vector, and the vectors of a set.

N images, C channels, H height, W width, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, ModelFolderError, UnknownNameError
from convnets.evaluation.scores import evaluation_mode, hardware_for
from convnets.evaluation.vectors import compute_vectors
from convnets.layers.global_pooling import POOLINGS, pool
from convnets.models.stage import Stage, stage_of
from convnets.retrieval.descriptors.whitening import Whitening, fit_whitening

__all__ = ["Describer", "Descriptor", "describe", "descriptor_of", "whitened"]


@dataclass(frozen=True)
class Descriptor:
    """Which stage of a network is looked at, and how its answer becomes one vector.

    >>> Descriptor(stage="features", pooling="gem", p=4.0)
    Descriptor(stage='features', pooling='gem', p=4.0, grid=6, levels=3, whitening=None, normalise=True)
    """

    stage: str = "embed"
    """pixels, features, embed, logits, or the name of a module such as convolutions.3."""
    pooling: str = "flatten"
    """flatten, average, maximum, both, gem, grid, grid-maximum or rmac; all but flatten need maps N×C×H×W."""
    p: float = 3.0
    """Exponent of gem."""
    grid: int = 6
    """Cells along each side of grid and grid-maximum."""
    levels: int = 3
    """Scales of rmac."""
    whitening: Whitening | None = None
    """Fitted on a set by `fit_whitening`, or by `whitened` in one go; None for none."""
    normalise: bool = True
    """Bring each vector to length 1, before whitening and after it."""

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise UnknownNameError("pooling", self.pooling, POOLINGS)
        if not self.p > 0 or self.grid < 1 or self.levels < 1:
            raise ConfigError(
                f"descriptor has p {self.p}, grid {self.grid}, levels {self.levels}; allowed: p above 0, others from 1"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the whitening's numbers are in `arrays`, what is here says that there is one."""
        explained = None if self.whitening is None else self.whitening.explained
        return {
            "stage": self.stage,
            "pooling": self.pooling,
            "p": self.p,
            "grid": self.grid,
            "levels": self.levels,
            "whitening": None if explained is None else {"explained": explained},
            "normalise": self.normalise,
        }

    def arrays(self) -> dict[str, Tensor]:
        """The whitening's tensors by name; empty without one."""
        if self.whitening is None:
            return {}
        return {
            "whitening.mean": self.whitening.mean,
            "whitening.projection": self.whitening.projection,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], arrays: Mapping[str, Tensor] | None = None) -> Descriptor:
        """The inverse of `to_dict` and `arrays`; raises ConfigError for what they did not write."""
        arrays = arrays or {}
        try:
            known = values["whitening"]
            whitening = None
            if known is not None:
                mean, projection = arrays["whitening.mean"], arrays["whitening.projection"]
                whitening = Whitening(mean, projection, float(known["explained"]))
            return cls(
                str(values["stage"]),
                str(values["pooling"]),
                float(values["p"]),
                int(values["grid"]),
                int(values["levels"]),
                whitening,
                bool(values["normalise"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"descriptor {str(values)[:80]} lacks or mistypes {error}") from None

    def __str__(self) -> str:
        options = {
            "gem": f" with p {self.p:g}",
            "grid": f" of {self.grid} × {self.grid}",
            "grid-maximum": f" of {self.grid} × {self.grid}",
            "rmac": f" at {self.levels} scales",
        }
        text = (
            self.stage
            if self.pooling == "flatten"
            else f"{self.pooling}{options.get(self.pooling, '')} of {self.stage}"
        )
        return text if self.whitening is None else f"{text}, whitened to {len(self.whitening.projection)}"


class Describer:
    """A network made ready once to describe many batches: used by `describe`, and for single queries.

    >>> from convnets.models.papers.lenet import LeNet
    >>> describer = Describer(LeNet(), Preprocess.plain(1, 28), Descriptor(stage="features", pooling="both"))
    >>> describer(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2, 32])
    """

    def __init__(
        self,
        network: nn.Module,
        preprocess: Preprocess,
        descriptor: Descriptor | None = None,
        hardware: Hardware | None = None,
    ) -> None:
        self.network, self.preprocess = network, preprocess
        self.descriptor = Descriptor() if descriptor is None else descriptor
        self.hardware = hardware_for(network, hardware)
        stage = stage_of(network, self.descriptor.stage)
        self._answer: nn.Module = (
            for_inference(stage, self.hardware.dtype)
            if isinstance(stage, Stage) and stage.stage != "pixels"
            else stage
        )

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (or float in [0, 1]) N×C×H×W of any size → float32 N×D on the processor."""
        with evaluation_mode(self.network):
            vectors = self.vectors(self.preprocess(images.to(self.hardware.device))).cpu()
        return vectors.clone()

    def vectors(self, images: Tensor) -> Tensor:
        """Normalised float N×C×S×S → float32 N×D; call it inside `evaluation_mode`."""
        descriptor = self.descriptor
        with self.hardware.autocast():
            answer = self._answer(images.contiguous())
        vectors = pool(
            answer.float(),
            descriptor.pooling,
            p=descriptor.p,
            grid=descriptor.grid,
            levels=descriptor.levels,
        )
        if descriptor.normalise:
            vectors = F.normalize(vectors)
        if descriptor.whitening is not None:
            vectors = descriptor.whitening(vectors)
            vectors = F.normalize(vectors) if descriptor.normalise else vectors
        return vectors


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
    describer = Describer(network, preprocess, descriptor, hardware)
    return compute_vectors(
        describer.vectors,
        network,
        images,
        preprocess,
        describer.hardware,
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


def descriptor_of(model: TrainedModel) -> Descriptor:
    """The descriptor that a model was trained for (`convnets train … --objective triplet`), else `Descriptor()`."""
    known = model.metrics.get("embedding")
    if known is None:
        return Descriptor()
    try:
        return Descriptor(str(known["stage"]), str(known["pooling"]), float(known["p"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"the model's embedding {str(known)[:60]} lacks or mistypes {error}; train again"
        ) from None
