"""Feature maps: what the units of a layer give for one picture. C channels, H×W pixels of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.explanation.capture.capture import capture
from convnets.explanation.pictures.colors import ColorScale, as_picture, scale_of
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow, in_rows

__all__ = ["SCALES", "FeatureMaps", "feature_maps"]

SCALES = ("unit", "layer", "global")
"""Whose largest value has the strongest color: of each unit by itself, of its layer, of all layers shown."""
_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class FeatureMaps(Shown):
    """Maps of one picture, by layer."""

    layers: dict[str, NDArray[np.float64]]
    """C×H×W by the layer's name; vectors are maps of 1×1."""
    pixels: NDArray[np.uint8] | None
    """The picture C×H×W, where it is known."""
    network: str

    def strongest(self, layer: str, count: int) -> list[int]:
        """The units of largest mean |value|, at most `count` of them, in the order of their numbers."""
        values = np.abs(self._of(layer)).mean((1, 2))
        return sorted(np.argsort(-values, kind="stable")[:count].tolist())

    def _of(self, layer: str) -> NDArray[np.float64]:
        if layer not in self.layers:
            raise UnknownNameError("layer", layer, self.layers)
        return self.layers[layer]

    def grid(self, scale: str = "layer", units: Sequence[int] | None = None, count: int = 64) -> TileGrid:
        """A labeled picture: all units of one layer, or a row of the strongest of each of several.

        Args:
            scale: one of SCALES. Signed values are blue below zero and red above, others dark to light.
            units: which ones; None takes the `count` strongest where there are more.
        """
        if scale not in SCALES:
            raise UnknownNameError("scale", scale, SCALES)
        if count < 1:
            raise ConfigError(f"count is {count}; allowed: 1 or more")
        several = len(self.layers) > 1
        whole = scale_of(np.concatenate([values.ravel() for values in self.layers.values()]))
        rows: list[TileRow] = []
        if self.pixels is not None:
            rows.append(TileRow("picture" if several else "", [Tile(as_picture(self.pixels))]))
        for layer, values in self.layers.items():
            chosen = self._chosen(layer, units, min(count, _COLUMNS) if several else count)
            shared = {"unit": None, "layer": scale_of(values), "global": whole}[scale]
            tiles = [_tile(values, unit, shared) for unit in chosen]
            rows += [TileRow(layer, tiles)] if several else in_rows(tiles, _COLUMNS)
        one = whole if scale == "global" or (scale == "layer" and not several) else None
        return TileGrid(self._title(), [self._note(scale, units, count)], rows, one)

    def _chosen(self, layer: str, units: Sequence[int] | None, count: int) -> list[int]:
        if units is None:
            return self.strongest(layer, count)
        there = len(self.layers[layer])
        for unit in units:
            if not 0 <= unit < there:
                raise InputError(f"unit {unit} of {layer}; it has units 0 to {there - 1}")
        return list(units)

    def _title(self) -> str:
        if len(self.layers) > 1:
            return f"What {len(self.layers)} layers of {self.network} make of a picture"
        layer, values = next(iter(self.layers.items()))
        return f"{layer} of {self.network}: {'×'.join(map(str, values.shape))}"

    def _note(self, scale: str, units: Sequence[int] | None, count: int) -> str:
        words = {
            "unit": "Each unit has a scale of its own; below it, its least and largest value.",
            "layer": "All units of a layer share one scale.",
            "global": "All layers share one scale.",
        }[scale]
        most = max(map(len, self.layers.values()))
        left_out = units is None and most > (min(count, _COLUMNS) if len(self.layers) > 1 else count)
        chosen = " Shown are the units of largest mean |value|." if left_out else ""
        return f"{words}{chosen}"

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.grid().figure()

    def save(self, path: Path | str, scale: str = "layer", count: int = 64) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return self.grid(scale, count=count).save(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: shape, and mean, least and largest value of each unit."""
        return {
            "network": self.network,
            "layers": {
                name: {
                    "shape": list(values.shape),
                    "mean": values.mean((1, 2)).tolist(),
                    "least": values.min((1, 2)).tolist(),
                    "largest": values.max((1, 2)).tolist(),
                }
                for name, values in self.layers.items()
            },
        }


def _tile(values: NDArray[np.float64], unit: int, shared: ColorScale | None) -> Tile:
    own = values[unit]
    scale = shared or scale_of(own)
    captions = [f"{unit}"] if shared else [f"{unit}: {own.min():.2g} to {own.max():.2g}"]
    return Tile(scale.color(own), captions)


def feature_maps(
    network: nn.Module,
    image: Tensor,
    layers: str | Sequence[str] = "last_maps",
    *,
    pixels: Tensor | None = None,
) -> FeatureMaps:
    """What `layers` of `network` give for one image.

    Args:
        image: float C×H×W or 1×C×H×W, normalized as in training.
        layers: names of modules such as `stage2`, or `last_maps`, or `stages`, the last layer of each map size.
        pixels: uint8 C×H×W, to show beside them.

    The network is left as found. Raises UnknownNameError and InputError for layers that are not there, InputError for
    more than one image and for a layer that gives neither maps nor vectors.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))
    >>> found = feature_maps(network, torch.randn(1, 4, 4), "0")
    >>> found.layers["0"].shape, found.grid().title
    ((6, 2, 2), '0 of Sequential: 6×2×2')
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise InputError(f"image is {tuple(image.shape)}; allowed: one image, C×H×W or 1×C×H×W")
    found = capture(network, batch, layers).maps
    maps = {}
    for name, values in found.items():
        if values.ndim not in (2, 4):
            raise InputError(f"{name} gives {tuple(values.shape)}; allowed: maps N×C×H×W or vectors N×D")
        own = values[0].double().cpu().numpy()
        maps[name] = own if own.ndim == 3 else own[:, None, None]
    shown = None if pixels is None else pixels.cpu().numpy()
    return FeatureMaps(maps, shown, type(network).__name__)
