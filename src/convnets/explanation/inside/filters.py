"""Filters: the kernels of a convolution that looks at the picture itself. O filters, C channels, K×K pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from convnets.errors import InputError, UnknownNameError
from convnets.explanation.pictures.colors import scale_of
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, in_rows

__all__ = ["Filters", "first_filters"]

_SEEN = 3  # channels at most that a picture has, and so a filter that can be looked at


@dataclass(frozen=True, eq=False)
class Filters(Shown):
    """Kernels, as they are."""

    weights: NDArray[np.float64]
    """O×C×K×K."""
    layer: str
    network: str

    def grid(self, count: int = 64) -> TileGrid:
        """One scale for all: signed values around zero for gray, and for color mid-gray at zero."""
        shown = self.weights[:count]
        gray = shown.shape[1] == 1
        scale = scale_of(np.concatenate([self.weights.ravel(), -self.weights.ravel()]))
        if gray:
            tiles = [Tile(scale.color(kernel[0]), [f"{number}"]) for number, kernel in enumerate(shown)]
            words = (
                "Blue is below zero, red above: a filter answers to a picture that is bright where it is red."
            )
        else:
            strongest = scale.high or 1.0
            colors = (127.5 + 127.5 * shown / strongest).round().astype(np.uint8).transpose(0, 2, 3, 1)
            tiles = [Tile(kernel, [f"{number}"]) for number, kernel in enumerate(colors)]
            words = f"Each channel from −{strongest:.3g} (none of it) over gray (zero) to {strongest:.3g}."
        side = 64 if len(tiles) > 16 else 96
        more = f" The first {len(shown)} of {len(self.weights)}." if len(shown) < len(self.weights) else ""
        title = f"{len(self.weights)} filters of {self.layer} in {self.network}"
        return TileGrid(title, [words + more], in_rows(tiles, 8), scale if gray else None, side=side)

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.grid().figure()

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return self.grid().save(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the weights among them."""
        return {"layer": self.layer, "network": self.network, "weights": self.weights.tolist()}


def first_filters(network: nn.Module, layer: str | None = None) -> Filters:
    """The kernels of the first convolution, or of the one called `layer`, where it looks at 1 or 3 channels.

    Deeper filters add up dozens of channels whose meaning their weights do not tell: look at their patches instead
    (`find_patches`). Raises UnknownNameError for a layer that is not there, InputError for one that is no convolution
    of pictures, or with more channels than a picture has.

    >>> first_filters(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU())).weights.shape
    (6, 1, 5, 5)
    """
    convolutions = {name: each for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
    if not convolutions:
        raise InputError(f"{type(network).__name__} has no Conv2d; filters are kernels of convolutions")
    name = next(iter(convolutions)) if layer is None else layer
    if name not in convolutions:
        raise UnknownNameError("convolution", name, convolutions)
    weights = convolutions[name].weight.detach().double().cpu().numpy()
    if weights.shape[1] not in (1, _SEEN):
        raise InputError(
            f"filters of {name} look at {weights.shape[1]} channels; allowed: 1 or 3, as pictures have; see what "
            "excites deeper units with: convnets patches"
        )
    return Filters(weights, name, type(network).__name__)
