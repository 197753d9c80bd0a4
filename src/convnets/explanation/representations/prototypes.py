"""Prototypes: the images in the middle of each class, and those where two classes meet. K classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError
from convnets.evaluation.evaluate import evaluate
from convnets.explanation.pictures.colors import as_picture
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow
from convnets.explanation.representations.embedding_vectors import embedding_vectors
from convnets.explanation.sample import pixels_of

__all__ = ["Prototypes", "find_prototypes"]


@dataclass(frozen=True, eq=False)
class Prototypes(Shown):
    """Of each class the images nearest to its middle, and those that a decision boundary is nearest to."""

    middles: Tensor
    """float32 K×D: mean vector of each class; NaN for a class without images."""
    nearest: tuple[tuple[int, ...], ...]
    """For each class, places in the set of its images nearest to the middle, the nearest first."""
    boundary: tuple[tuple[int, ...], ...]
    """For each class, places of its images with the smallest margin, the smallest first."""
    margins: Tensor
    """float64 N: ln(p₁ / p₂) of the two likeliest classes, the difference of their logits; 0 on the boundary."""
    pairs: Tensor
    """int64 N×2: the likeliest class of each image, and the next."""
    images: ImageSet
    preprocess: Preprocess
    stage: str

    def grid(self) -> TileGrid:
        """Rows of classes: the middle at the left, the boundary at the right."""
        classes = self.images.classes
        count = max((len(each) for each in (*self.nearest, *self.boundary)), default=1)
        shown = sorted({place for each in (*self.nearest, *self.boundary) for place in each})
        pixels = dict(zip(shown, pixels_of(self.images.subset(shown), self.preprocess), strict=True))
        rows = []
        for name, near, far in zip(classes, self.nearest, self.boundary, strict=True):
            left = [Tile(as_picture(pixels[place].numpy()), [f"image {place}"]) for place in near]
            right = [
                Tile(
                    as_picture(pixels[place].numpy()),
                    [*self._between(place), f"margin {self.margins[place]:.2f}"],
                )
                for place in far
            ]
            rows.append(TileRow(name, [*left, *[None] * (count - len(left)), *right]))
        notes = [
            f"Left: the images whose vectors ({self.stage}) are nearest to the mean of their class. Right: those that "
            "the network wavers over most; below, the two classes, likeliest first, and the difference of their logits."
        ]
        heads = (("nearest to the middle of the class", count), ("nearest to a boundary", count))
        return TileGrid(f"Prototypes of {self.images.source}", notes, rows, headings=heads)

    def _between(self, place: int) -> list[str]:
        first, second = (self.images.classes[int(each)] for each in self.pairs[place])
        return [first, f"or {second}"]

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.grid().figure()

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return self.grid().save(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: by class, places and margins."""
        return {
            name: {
                "nearest": list(near),
                "boundary": [
                    {
                        "image": place,
                        "margin": float(self.margins[place]),
                        "between": [self.images.classes[int(each)] for each in self.pairs[place]],
                    }
                    for place in far
                ],
            }
            for name, near, far in zip(self.images.classes, self.nearest, self.boundary, strict=True)
        }


def find_prototypes(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    *,
    count: int = 5,
    stage: str = "embed",
    hardware: Hardware | None = None,
) -> Prototypes:
    """The `count` images of each class nearest to the class's mean vector at `stage`, and nearest to a boundary.

    A prototype is the mean of a class's vectors (Snell, Swersky & Zemel 2017, "Prototypical networks for few-shot
    learning"); nearness is Euclidean. Nearness to the boundary is the margin: the smaller the difference of the two
    highest logits, the less it takes to turn the answer. Raises ConfigError for a count below 1.
    """
    if count < 1:
        raise ConfigError(f"count is {count}; allowed: 1 or more")
    vectors = embedding_vectors(network, images, preprocess, stage, hardware=hardware)
    probabilities = evaluate(network, images, preprocess, hardware=hardware).probabilities.double()
    best, pairs = probabilities.topk(min(2, probabilities.shape[1]), 1)
    smallest = torch.finfo(torch.float64).tiny
    margins = (best[:, 0].clamp(min=smallest) / best[:, -1].clamp(min=smallest)).log()
    middles = torch.full((len(images.classes), vectors.shape[1]), torch.nan)
    nearest, boundary = [], []
    for label in range(len(images.classes)):
        own = (images.labels == label).nonzero().flatten()
        if len(own):
            middles[label] = vectors[own].mean(0)
        distances = (vectors[own] - middles[label]).norm(dim=1)
        nearest.append(tuple(own[distances.argsort(stable=True)[:count]].tolist()))
        boundary.append(tuple(own[margins[own].argsort(stable=True)[:count]].tolist()))
    return Prototypes(
        middles, tuple(nearest), tuple(boundary), margins, pairs[:, [0, -1]], images, preprocess, stage
    )
