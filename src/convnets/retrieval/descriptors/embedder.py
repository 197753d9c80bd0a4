"""Embedder: what makes vectors of images, a network with its preprocess and descriptor, and how it is recognized.

N images, C channels, H height, W width, D numbers of a vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import ModelSource, open_model
from convnets.core.former_names import current_names
from convnets.core.hardware import Hardware
from convnets.data.images.image_inputs import Picture, open_given
from convnets.errors import ImageIndexError
from convnets.evaluation.scores import check_finite, evaluation_mode, hardware_for
from convnets.layers.global_pooling import pool
from convnets.models.stage import Stage, stage_of
from convnets.retrieval.descriptors.descriptor import Descriptor, descriptor_of

__all__ = ["Embedder", "weights_hash"]


def weights_hash(network: nn.Module) -> str:
    """Hexadecimal SHA-256 of the weights as `save_model` writes them: the one that a model folder states."""
    tensors = {
        name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()
    }
    return hashlib.sha256(safetensors.torch.save(tensors, metadata={"format": "pt"})).hexdigest()


class Embedder:
    """Makes unit vectors of pictures, and knows whether another one makes vectors that may be compared with its own.

    Args:
        model: network, class names and preprocess.
        descriptor: stage and pooling; None is what the model was trained for, else its embedding.
        hardware: where and in which precision; None is the network's own device, in float32.

    >>> from convnets.data.preprocess import Preprocess
    >>> from convnets.models.catalogue import create_model
    >>> model = TrainedModel(create_model("lenet", seed=0), tuple("0123456789"), Preprocess.plain(1, 28))
    >>> embedder = Embedder(model, Descriptor(stage="features", pooling="both"))
    >>> embedder(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2, 32])
    """

    def __init__(
        self, model: TrainedModel, descriptor: Descriptor | None = None, hardware: Hardware | None = None
    ) -> None:
        self.model, self.network, self.preprocess = model, model.network, model.preprocess
        self.descriptor = descriptor_of(model) if descriptor is None else descriptor
        self.hardware = hardware_for(self.network, hardware)
        stage = stage_of(self.network, self.descriptor.stage)
        self._answer: nn.Module = (
            for_inference(stage, self.hardware.dtype)
            if isinstance(stage, Stage) and stage.stage != "pixels"
            else stage
        )

    @classmethod
    def of(
        cls,
        source: ModelSource | Embedder,
        descriptor: Descriptor | None = None,
        hardware: Hardware | None = None,
    ) -> Embedder:
        """From a model, a run or a model folder; an embedder is returned as it is."""
        if isinstance(source, Embedder):
            return source
        return cls(open_model(source, "cpu" if hardware is None else hardware.device), descriptor, hardware)

    def store(self, picture: Picture, name: str) -> Tensor:
        """One picture → uint8 C×R×R, as the call takes it. Raises ImageDecodeError for one that cannot be read."""
        return self.preprocess.store(open_given(picture, name))

    def __call__(self, pictures: Tensor, names: str = "the given pictures") -> Tensor:
        """uint8 (or float in [0, 1]) N×C×H×W of any size → float32 N×D of length 1 on the processor.

        Raises TrainingError where a vector is not finite; `names` says which pictures those are.
        """
        with evaluation_mode(self.network):
            vectors = self.vectors(self.preprocess(pictures.to(self.hardware.device))).cpu().clone()
        check_finite(vectors, names)
        return F.normalize(vectors)

    def vectors(self, images: Tensor) -> Tensor:
        """Normalized float N×C×S×S → float32 N×D; call it inside `evaluation_mode`."""
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
        if descriptor.normalize:
            vectors = F.normalize(vectors)
        if descriptor.whitening is not None:
            vectors = descriptor.whitening(vectors)
            vectors = F.normalize(vectors) if descriptor.normalize else vectors
        return vectors

    @property
    def dimension(self) -> int:
        """Numbers of each vector."""
        preprocess = self.preprocess
        blank = torch.zeros(1, preprocess.channels, preprocess.resize, preprocess.resize, dtype=torch.uint8)
        return int(self(blank).shape[1])

    def identity(self) -> dict[str, Any]:
        """What an index remembers of it; embedders of equal identity make comparable vectors."""
        architecture = self.model.architecture
        arrays = self.descriptor.arrays()
        return {
            "network": architecture["name"] if architecture else type(self.model.network).__name__,
            "weights_sha256": weights_hash(self.model.network),
            "preprocess": _plain(self.preprocess.to_dict()),
            "descriptor": _plain(self.descriptor.to_dict()),
            "whitening_sha256": hashlib.sha256(safetensors.torch.save(arrays)).hexdigest()
            if arrays
            else None,
        }

    def check(self, made_by: Mapping[str, Any], index: str) -> None:
        """Raise ImageIndexError unless an index that was made by `made_by` holds vectors like this one's."""
        own = self.identity()
        if own["weights_sha256"] != made_by.get("weights_sha256"):
            raise ImageIndexError(
                f"{index} was built by another network: {made_by.get('network')} with weights "
                f"{str(made_by.get('weights_sha256'))[:12]}, this is {own['network']} "
                f"with {own['weights_sha256'][:12]}; search with the network that built it, "
                "or build an index with this one"
            )
        for part in ("preprocess", "descriptor", "whitening_sha256"):
            other = made_by.get(part)
            if own[part] != (current_names(other) if isinstance(other, Mapping) else other):
                raise ImageIndexError(
                    f"{index} was built with another {part.partition('_')[0]}: {made_by.get(part)}, this is "
                    f"{own[part]}; build an index with this one"
                )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: lists in place of tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
