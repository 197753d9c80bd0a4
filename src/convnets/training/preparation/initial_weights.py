"""The weights that a network has before the first step: drawn, computed from images, or trained before."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from convnets.core.seeds import derive_seed
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.layers.initialization.initialize import initialize
from convnets.training.config import TrainConfig
from convnets.training.preparation.pixel_sample import sample_pixels
from convnets.training.preparation.starting_weights import Fitted

__all__ = ["InitializedFromImages", "fill"]

_INITIALIZING_SAMPLE = (
    2_000  # images that filters are computed from; their patches are hundreds of times as many
)


@runtime_checkable
class InitializedFromImages(Protocol):
    """A network with weights that are computed from the training images before the first step."""

    def initialize_from(self, images: Tensor) -> None:
        """Normalized float N×C×S×S; a network that did so before keeps its weights."""
        ...


def fill(
    network: nn.Module, preprocess: Preprocess, train: ImageSet, config: TrainConfig, fitted: Fitted | None
) -> None:
    """Weights by the initializer, from the images, and from trained weights, which come last and stay."""
    if config.initializer is not None:
        initialize(network, config.initializer, seed=derive_seed(config.seed, "weights"))
    if isinstance(network, InitializedFromImages):
        network.initialize_from(preprocess(sample_pixels(train, preprocess, config, _INITIALIZING_SAMPLE)))
    if fitted is not None:
        fitted.load_into(network)
