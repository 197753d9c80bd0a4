"""Workload: what all sides of a comparison do: a network, images, batch size, learning rate, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from convnets.core.hardware import Hardware, choose_hardware
from convnets.core.seeds import derive_seed
from convnets.data.decode import decode_images, probe_pictures
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ConfigError
from convnets.layers.initialization.initialize import initialize
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier
from convnets.training.config import TrainConfig

__all__ = ["Workload", "build_network", "load_images", "plain_hardware"]

_INITIALIZER = "xavier-uniform"  # as the book draws its weights


@dataclass(frozen=True)
class Workload:
    """A network trained by plain SGD on the training images of a data set, pixels in [0, 1], Xavier-uniform weights.

    >>> Workload("lenet", "digits", size=28, batch_size=64, learning_rate=0.9).to_dict()["network"]
    'lenet'
    """

    network: str
    """Its name in the catalogue."""
    data: str
    """A data set's name, or the path of a folder or zip of pictures."""
    size: int
    """Side of the network's input in pixels."""
    batch_size: int
    """Images per step."""
    learning_rate: float
    """Constant rate of SGD without momentum and weight decay."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: str = "auto"
    """auto, fp32 or bf16, of the sides that have a choice; the standard loop computes in fp32."""
    threads: int | None = None
    """Processor threads; by default the cores that this process may use."""
    seed: int = 0
    """Of weights and order."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Workload:
        """The inverse of `to_dict`."""
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @property
    def config(self) -> TrainConfig:
        """The same as options of a run; raises ConfigError for a value that is not allowed."""
        return TrainConfig(
            epochs=1,
            batch_size=self.batch_size,
            optimizer="sgd",
            learning_rate=self.learning_rate,
            momentum=0.0,
            nesterov=False,
            weight_decay=0.0,
            schedule="constant",
            initializer=_INITIALIZER,
            validation=0.0,
            size=self.size,
            normalize=False,
            precision=self.precision,
            device=self.device,
            threads=self.threads,
            seed=self.seed,
        )

    def settled(self) -> Workload:
        """Device, precision and threads as they were chosen, none left open; DeviceError where a device is missing."""
        chosen = choose_hardware(self.device, self.precision, self.threads)
        return replace(self, device=str(chosen.device), precision=chosen.precision, threads=chosen.threads)


def plain_hardware(workload: Workload) -> Hardware:
    """The hardware of a settled workload for the plain loops, in a process whose settings stay PyTorch's own.

    `choose_hardware` would prepare the process for our training, its memory above all.
    """
    if workload.device == "auto" or workload.precision == "auto" or workload.threads is None:
        raise ConfigError(f"{workload} leaves hardware open; call settled() in another process first")
    torch.set_num_threads(workload.threads)
    dtype = torch.bfloat16 if workload.precision == "bf16" else torch.float32
    return Hardware(torch.device(workload.device), dtype, workload.threads)


def load_images(workload: Workload) -> ImageSet:
    """The training images, uint8 N×C×H×W in memory; pictures from files are decoded to `size`×`size`."""
    images = load_data(workload.data).train
    if images.resident:
        return images
    preprocess = Preprocess.plain(probe_pictures(images).channels, workload.size)
    return decode_images(images, preprocess)


def build_network(workload: Workload, images: ImageSet) -> ImageClassifier:
    """The network for these images, with the very weights that a run of `config` starts from."""
    network = create_model(
        workload.network,
        in_channels=images.pixels.shape[1],
        num_classes=len(images.classes),
        input_size=workload.size,
        seed=derive_seed(workload.seed, "network"),
    )
    initialize(network, _INITIALIZER, seed=derive_seed(workload.seed, "weights"))
    return network
