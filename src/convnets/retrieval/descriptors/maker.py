"""Maker: what makes the vectors of an index, a network with its preprocess and descriptor, and how it is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.core.hardware import Hardware
from convnets.errors import ImageIndexError, InputError
from convnets.evaluation.scores import check_finite
from convnets.retrieval.descriptors.descriptor import Describer, Descriptor, descriptor_of
from convnets.training.runs.run import resolve_model_folder

__all__ = ["Maker", "weights_hash"]


def weights_hash(network: nn.Module) -> str:
    """Hexadecimal SHA-256 of the weights as `save_model` writes them: the one that a model folder states."""
    tensors = {
        name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()
    }
    return hashlib.sha256(safetensors.torch.save(tensors, metadata={"format": "pt"})).hexdigest()


class Maker:
    """Makes unit vectors of pictures, and knows whether another one makes vectors that may be compared with its own.

    Args:
        model: network, class names and preprocess.
        descriptor: stage and pooling; None is what the model was trained for, else its embedding.
        hardware: where and in which precision; None is the network's own device, in float32.
    """

    def __init__(
        self, model: TrainedModel, descriptor: Descriptor | None = None, hardware: Hardware | None = None
    ) -> None:
        self.model = model
        self.descriptor = descriptor_of(model) if descriptor is None else descriptor
        self.describer = Describer(model.network, model.preprocess, self.descriptor, hardware)
        self.preprocess, self.hardware = model.preprocess, self.describer.hardware

    @classmethod
    def of(
        cls,
        source: TrainedModel | Path | str | Maker,
        descriptor: Descriptor | None = None,
        hardware: Hardware | None = None,
    ) -> Maker:
        """From a model, a run or a model folder; a maker is returned as it is."""
        if isinstance(source, Maker):
            return source
        if isinstance(source, nn.Module):
            raise InputError(
                f"a bare {type(source).__name__} does not say how pictures become its input; "
                "give TrainedModel(network, classes, preprocess), a run or a model folder"
            )
        if not isinstance(source, TrainedModel):
            device = "cpu" if hardware is None else hardware.device
            source = load_model(resolve_model_folder(source), device)
        return cls(source, descriptor, hardware)

    def __call__(self, pictures: Tensor, names: str) -> Tensor:
        """uint8 N×C×H×W → float32 N×D of length 1; `names` says what they are when a vector is not finite."""
        vectors = self.describer(pictures)
        check_finite(vectors, names)
        return F.normalize(vectors)

    @property
    def dimension(self) -> int:
        """Numbers of each vector."""
        preprocess = self.preprocess
        blank = torch.zeros(1, preprocess.channels, preprocess.resize, preprocess.resize, dtype=torch.uint8)
        return int(self.describer(blank).shape[1])

    def identity(self) -> dict[str, Any]:
        """What an index remembers of it; makers of equal identity make comparable vectors."""
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
        """Raise ImageIndexError unless an index that was made by `made_by` holds vectors like this maker's."""
        own = self.identity()
        if own["weights_sha256"] != made_by.get("weights_sha256"):
            raise ImageIndexError(
                f"{index} was built by another network: {made_by.get('network')} with weights "
                f"{str(made_by.get('weights_sha256'))[:12]}, this is {own['network']} "
                f"with {own['weights_sha256'][:12]}; search with the network that built it, "
                "or build an index with this one"
            )
        for part in ("preprocess", "descriptor", "whitening_sha256"):
            if own[part] != made_by.get(part):
                raise ImageIndexError(
                    f"{index} was built with another {part.partition('_')[0]}: {made_by.get(part)}, this is "
                    f"{own[part]}; build an index with this one"
                )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back: lists in place of tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
