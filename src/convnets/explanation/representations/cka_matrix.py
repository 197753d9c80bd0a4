"""CKA matrix: every layer of one network beside every layer of another, or of itself, on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError
from convnets.evaluation.plots.drawing import INK
from convnets.evaluation.scores import hardware_for
from convnets.explanation.capture.capture import MEMORY, capture
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.representations.cka import CkaSums

__all__ = ["CkaMatrix", "compare_layers"]

_NUMBERED = 16  # more rows or columns than this have no room for a number in each cell


@dataclass(frozen=True, eq=False)
class CkaMatrix(Shown):
    """How alike layers lay out the same images, 1 for equal up to a turn and a scale."""

    values: NDArray[np.float64]
    """Layers of the first network × layers of the second."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    first: str
    """The first network's name."""
    second: str
    images: int

    def figure(self) -> Figure:
        """A heat map, the first layers at the bottom left."""
        sides = len(self.columns), len(self.rows)
        figure = Figure(figsize=(2.6 + 0.42 * sides[0], 2.2 + 0.42 * sides[1]), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(self.values, cmap="cividis", vmin=0, vmax=1, origin="lower")
        for axis, names in ((axes.xaxis, self.columns), (axes.yaxis, self.rows)):
            axis.set_ticks(range(len(names)), [shortened(drawable(name), 130, 8) for name in names])
        axes.tick_params(colors=INK, labelsize=8, length=0)
        for label in axes.get_xticklabels():
            label.set(rotation=90)
        axes.set_xlabel(drawable(self.second), fontsize=9, color=INK, parse_math=False)
        axes.set_ylabel(drawable(self.first), fontsize=9, color=INK, parse_math=False)
        axes.set_title(
            f"Linear CKA, {self.images:,} images",
            loc="left",
            fontsize=11,
            fontweight="bold",
            color=INK,
            pad=10,
        )
        for spine in axes.spines.values():
            spine.set_visible(False)
        if max(sides) <= _NUMBERED:
            for (row, column), value in np.ndenumerate(self.values):
                ink = "white" if value < 0.55 else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=ink)
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
        bar.ax.tick_params(colors=INK, labelsize=8, length=0)
        bar.outline.set_visible(False)
        return figure

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), f"Linear CKA of {self.first} and {self.second}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = [[float(value) if np.isfinite(value) else None for value in row] for row in self.values]
        return {
            "first": self.first,
            "second": self.second,
            "images": self.images,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "values": values,
        }


def compare_layers(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    other: nn.Module | None = None,
    *,
    layers: str | Sequence[str] = "stages",
    other_layers: str | Sequence[str] | None = None,
    other_preprocess: Preprocess | None = None,
    names: tuple[str, str] | None = None,
    batch_size: int = 256,
    memory: int = MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> CkaMatrix:
    """Linear CKA of layers of `network` with each other, or with those of `other`, on `images`.

    Args:
        layers: names of modules, or `stages`, the last layer of each map size; `other_layers` are those of `other`, by
            default the same.
        other_preprocess: how `other` gets its images, by default like `network`.
        names: of both networks in the picture, by default their classes.
        batch_size: images of which Gram matrices are made at once, 4 or more; the last batch may be larger, and a rest
            of fewer than 4 images is left out.

    The estimate has no bias by the batch size (see `CkaSums`); memory does not grow with the number of images.
    Raises ConfigError for a smaller batch size, UnknownNameError for a layer that is not there.
    """
    if batch_size < 4:
        raise ConfigError(f"batch_size is {batch_size}; allowed: 4 or more")
    device = hardware_for(network, None).device
    sums = CkaSums()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    theirs = Batches(images, other_preprocess or preprocess, batch_size, device=device).epoch()
    for batch in Batches(images, preprocess, batch_size, device=device).epoch():
        beside = next(theirs)
        if len(batch.images) < 4:
            continue
        own = _answers(network, batch.images, layers, memory)
        rows = columns = tuple(own)
        first = second = list(own.values())
        if other is not None:
            found = _answers(other, beside.images, other_layers or layers, memory)
            columns, second = tuple(found), list(found.values())
        sums.add(first, second)
        if progress is not None:
            progress(sums.images, len(images))
    called = names or (type(network).__name__, type(other if other is not None else network).__name__)
    return CkaMatrix(sums.matrix().cpu().numpy(), rows, columns, *called, images=sums.images)


def _answers(
    network: nn.Module, images: Tensor, layers: str | Sequence[str], memory: int
) -> dict[str, Tensor]:
    return capture(network, images, layers, memory=memory).maps
