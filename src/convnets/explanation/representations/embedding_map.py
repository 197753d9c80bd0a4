"""Embedding map: images laid out on a plane by what a network makes of them. N images, D numbers of an embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.core.display.renderers import renderer
from convnets.core.hardware import Hardware
from convnets.core.storage.files import write_text
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.explanation.pictures.figure_file import check_picture_ending, write_figure
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.representations.embedding_vectors import embedding_vectors
from convnets.explanation.representations.pca import principal_components
from convnets.explanation.sample import pixels_of

__all__ = ["MAP_METHODS", "EmbeddingMap", "map_embeddings"]

MAP_METHODS = ("pca", "tsne")
_TSNE_INPUT = 50  # components that t-SNE starts from, as its authors do


@dataclass(frozen=True, eq=False)
class EmbeddingMap(Shown):
    """Places of images on a plane, with what each image is and what the network takes it for."""

    positions: NDArray[np.float64]
    """N×2."""
    labels: NDArray[np.int64]
    """N: the true classes."""
    predicted: NDArray[np.int64]
    """N: the network's classes."""
    confidence: NDArray[np.float64]
    """N: the probability that it gives its class, 0 to 1."""
    pixels: Tensor
    """uint8 N×C×H×W: the images as they are looked at."""
    classes: tuple[str, ...]
    method: str
    """pca or tsne."""
    stage: str
    """Whose vectors were laid out."""
    source: str
    """Where the images came from."""
    explained: tuple[float, float] | None
    """Share of the whole variance along each axis; None for tsne, whose axes mean nothing."""

    @property
    def mistakes(self) -> int:
        """How many images the network takes for another class."""
        return int((self.labels != self.predicted).sum())

    @property
    def title(self) -> str:
        """What is shown, in a line."""
        name = {"pca": "principal components", "tsne": "t-SNE"}[self.method]
        return f"{self.stage} of {len(self.labels):,} images of {self.source}, by {name}"

    @property
    def note(self) -> str:
        """How to read it, in plain words."""
        if self.explained is None:
            return "t-SNE keeps neighbors together; distances between groups, their sizes and the axes mean nothing."
        first, second = self.explained
        return f"The plane holds {first + second:.1%} of the variance ({first:.1%} across, {second:.1%} up)."

    def figure(self) -> Figure:
        """Points in the colors of their classes, with thumbnails."""
        return renderer(self, "figure")(self)

    def save(self, path: Path | str) -> Path:
        """Write a picture with thumbnails (.png, .svg), or a page where each image shows itself (.html)."""
        path = Path(path)
        check_picture_ending(path)
        if path.suffix.lower() != ".html":
            return write_figure(path, self.figure(), self.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, renderer(self, "page")(self))
        return path

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: method, stage, shares, and a row for each image."""
        rows = zip(
            self.positions.tolist(),
            self.labels.tolist(),
            self.predicted.tolist(),
            self.confidence.tolist(),
            strict=True,
        )
        return {
            "method": self.method,
            "stage": self.stage,
            "source": self.source,
            "explained": None if self.explained is None else list(self.explained),
            "images": [
                {
                    "x": place[0],
                    "y": place[1],
                    "true": self.classes[true],
                    "predicted": self.classes[predicted],
                    "confidence": confidence,
                }
                for place, true, predicted, confidence in rows
            ],
        }

    def __str__(self) -> str:
        return f"{self.title}: {self.mistakes} taken for another class. {self.note}"


def map_embeddings(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    *,
    method: str = "pca",
    stage: str = "embed",
    perplexity: float = 30.0,
    seed: int = 0,
    hardware: Hardware | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EmbeddingMap:
    """Lay `images` out on a plane by the vectors that `network` gives them at `stage`.

    Args:
        network: gives logits N×K; in evaluation mode meanwhile and left as found.
        images: 3 or more; a few hundred to a few thousand can be looked at.
        method: `pca`, the plane of largest variance, or `tsne` (van der Maaten & Hinton 2008, "Visualizing data using
            t-SNE") by scikit-learn, from the 50 first components on.
        stage: pixels, features, embed, logits, or a module's name; maps are averaged over their positions.
        perplexity: of t-SNE, about how many neighbors count; it is lowered where there are too few images.
        seed: of t-SNE's start.

    Raises UnknownNameError for another method or stage, ConfigError for a perplexity below 1, InputError for too few
    images.

    >>> from convnets.data.sources import load_data
    >>> from convnets.models.catalogue import create_model
    >>> images = load_data("digits").train.subset(range(40))
    >>> network = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0)
    >>> map_embeddings(network, images, Preprocess.plain(1, 28)).positions.shape
    (40, 2)
    """
    if method not in MAP_METHODS:
        raise UnknownNameError("method", method, MAP_METHODS)
    if not perplexity >= 1:
        raise ConfigError(f"perplexity is {perplexity}; allowed: 1 or more, such as 30")
    if len(images) < 3:
        raise InputError(f"{len(images)} images cannot be laid out on a plane; allowed: 3 or more")
    vectors = embedding_vectors(network, images, preprocess, stage, hardware=hardware, progress=progress)
    judged = evaluate(network, images, preprocess, hardware=hardware)
    positions, explained = _laid_out(vectors, method, perplexity, seed)
    confidence, predicted = judged.probabilities.max(1)
    return EmbeddingMap(
        positions,
        images.labels.numpy(),
        predicted.numpy(),
        confidence.double().numpy(),
        pixels_of(images, preprocess),
        images.classes,
        method,
        stage,
        images.source,
        explained,
    )


def _laid_out(
    vectors: Tensor, method: str, perplexity: float, seed: int
) -> tuple[NDArray[np.float64], tuple[float, float] | None]:
    most = min(len(vectors) - 1, vectors.shape[1])
    if most < 2:
        raise InputError(f"vectors of {most} number lie on a line; choose a stage with more, such as embed")
    found = principal_components(vectors, 2 if method == "pca" else min(_TSNE_INPUT, most))
    places = found.project(vectors).numpy()
    if method == "pca":
        first, second = found.shares.tolist()
        return places, (first, second)
    from sklearn.manifold import TSNE

    neighbors = min(perplexity, (len(vectors) - 1) / 3)
    plane = TSNE(2, perplexity=neighbors, init="pca", random_state=seed % 2**32)
    return np.asarray(plane.fit_transform(places.astype(np.float32)), dtype=np.float64), None
