"""Importance: what a method says of each pixel of each image of a question."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from convnets.errors import ConfigError
from convnets.explanation.attribution.methods import Method
from convnets.explanation.attribution.question import Question
from convnets.explanation.attribution.resizing import at_image_size, importance_at_image_size

__all__ = ["PixelMaps", "pixel_maps"]


@dataclass(frozen=True, eq=False)
class PixelMaps:
    """N×H×W each."""

    signed: Tensor
    """The map: summed over channels, enlarged, as it came."""
    importance: Tensor
    """By which pixels are ranked: the map, or the largest |value| of the channels (see `Method.by_magnitude`)."""


def pixel_maps(question: Question, method: Method) -> PixelMaps:
    """The method's maps. Raises ConfigError for a question about several layers, and what the method raises."""
    if len(question.layers) > 1:
        raise ConfigError(f"{len(question.layers)} layers at once; allowed here: one")
    size = (question.images.shape[2], question.images.shape[3])
    (maps,) = method.answer(question).maps.values()
    return PixelMaps(
        at_image_size(maps, size), importance_at_image_size(maps, size, by_magnitude=method.by_magnitude)
    )
