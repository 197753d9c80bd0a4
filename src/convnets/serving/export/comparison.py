"""An exported file compared with the network that it was made of, before it is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import resize_short_side
from convnets.errors import ModelFolderError
from convnets.serving.export.exported_network import ExportedNetwork, Form

__all__ = ["Answer", "Comparison", "Export", "compare", "inputs_of"]

_BATCHES = (1, 3, 17)
_ALLOWED = 1e-4  # relative to the largest answer
_IMAGES = 1000
Answer = Callable[[Tensor], "np.ndarray[Any, Any]"]
"""The file's own answer to inputs."""


@dataclass(frozen=True)
class Comparison:
    """How far a file is from its network."""

    error: float
    """Largest difference of an answer, as a share of the largest answer, over batches of 1, 3 and 17."""
    images: int
    """Real images that both were asked about; 0 where there were none."""
    agreement: float | None
    """Share of them with the same first class."""
    accuracy: tuple[float, float] | None
    """Of the network and of the file, on them."""


@dataclass(frozen=True)
class Export(Comparison):
    """The file, and how it was compared with the network."""

    path: Path
    form: Form
    megabytes: float
    opset: int | None = None
    """Of ONNX; None for another form."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "path": str(self.path)}


def compare(
    exported: ExportedNetwork, trained: TrainedModel, answer: Answer, images: ImageSet | None
) -> Comparison:
    """On random inputs and on the first 1,000 of `images`. Raises ModelFolderError where answers differ too much."""
    error = max(_difference(exported, answer, count) for count in _BATCHES)
    if not error <= _ALLOWED:
        raise ModelFolderError(
            f"the file's answers differ from the network's by {error:.2g} of the largest; allowed: {_ALLOWED:g}. "
            "None was written"
        )
    return Comparison(error, *_on_images(exported, trained, answer, images))


def _difference(exported: ExportedNetwork, answer: Answer, count: int) -> float:
    inputs = exported.example(count, seed=count)
    with torch.inference_mode():
        own = exported(inputs).numpy()
    other = answer(inputs)
    if own.shape != other.shape or not np.isfinite(other).all():
        return float("inf")
    return float(np.abs(own - other).max() / np.abs(own).max())


def _on_images(
    exported: ExportedNetwork, trained: TrainedModel, answer: Answer, images: ImageSet | None
) -> tuple[int, float | None, tuple[float, float] | None]:
    if images is None or not len(images):
        return 0, None, None
    chosen = images.subset(range(min(_IMAGES, len(images))))
    own, other = [], []
    for start in range(0, len(chosen), 100):
        inputs = inputs_of(exported, trained, chosen.subset(range(start, min(start + 100, len(chosen)))))
        with torch.inference_mode():
            own.append(exported(inputs).argmax(1))
        other.append(torch.from_numpy(answer(inputs)).argmax(1))
    mine, theirs, labels = torch.cat(own), torch.cat(other), chosen.labels
    accuracy = tuple(float((each == labels).double().mean()) for each in (mine, theirs))
    return len(chosen), float((mine == theirs).double().mean()), (accuracy[0], accuracy[1])


def inputs_of(exported: ExportedNetwork, trained: TrainedModel, images: ImageSet) -> Tensor:
    """What the file takes, made of `images`."""
    preprocess = trained.preprocess
    if isinstance(images.images, Tensor):
        pixels = resize_short_side(preprocess.to_unit(images.images), preprocess.resize)
        if exported.form == "tensor":
            return preprocess.normalize(preprocess.fit(pixels))
        pictures = (pixels * 255).round().clamp(0, 255).to(torch.uint8)
    else:
        pictures = torch.stack([preprocess.store(images.images.open(place)) for place in range(len(images))])
        if exported.form == "tensor":
            return preprocess(pictures)
    top = (pictures.shape[2] - preprocess.resize) // 2
    left = (pictures.shape[3] - preprocess.resize) // 2
    square = pictures[:, :, top : top + preprocess.resize, left : left + preprocess.resize]
    return square.permute(0, 2, 3, 1).contiguous()
