"""Patches: the pieces of training pictures that excite a unit most, cut out by its exact receptive field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError
from convnets.evaluation.scores import hardware_for, images_at_once
from convnets.explanation.capture.calls import LayerCall, find_calls
from convnets.explanation.capture.capture import MEMORY, capture
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.inside.seen_boxes import SeenBoxes, seen_boxes
from convnets.explanation.pictures.colors import as_picture
from convnets.explanation.pictures.shown import Shown
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow
from convnets.explanation.sample import pixels_of

__all__ = ["Patch", "UnitPatches", "find_patches"]

_OUTSIDE = 128  # gray of what lies outside of the picture


@dataclass(frozen=True)
class Patch:
    """One place of one picture that excites one unit."""

    unit: int
    value: float
    """What the unit gives there."""
    image: int
    """The picture's place in the set."""
    position: tuple[int, int]
    """Row and column in the unit's map."""
    box: tuple[int, int, int, int]
    """Of the network's input: first row, row after the last, first column, column after the last."""
    label: str
    """The picture's class."""


@dataclass(frozen=True, eq=False)
class UnitPatches(Shown):
    """Of each unit of a layer, its patches, the most exciting first."""

    layer: str
    network: str
    patches: dict[int, tuple[Patch, ...]]
    pixels: dict[Patch, NDArray[np.uint8]]
    """C×h×w: the whole field; what lies outside of the picture is mid-gray."""
    source: str
    images: int
    """How many pictures were looked through."""
    field: tuple[int, int]
    """Height and width of what a unit sees, in pixels."""
    exact: bool
    optimized: dict[int, NDArray[np.uint8]] | None = None
    """C×h×w by unit: an image made to excite it (`optimize_images`), which shows less reliably what it looks for."""

    def with_optimized(self, images: dict[int, NDArray[np.uint8]]) -> UnitPatches:
        """The same beside optimized images."""
        return replace(self, optimized=images)

    def grid(self) -> TileGrid:
        """A row for each unit; under each patch what the unit gives, and the picture's class."""
        rows = []
        for unit, found in self.patches.items():
            tiles: list[Tile | None] = [
                Tile(as_picture(self.pixels[patch]), [f"{patch.value:.3g}", patch.label]) for patch in found
            ]
            if self.optimized is not None:
                made = self.optimized.get(unit)
                tiles.insert(
                    0, None if made is None else Tile(as_picture(made), ["optimized,", "less reliable"])
                )
            rows.append(TileRow(f"unit {unit}", tiles))
        count = max((len(found) for found in self.patches.values()), default=1)
        heads = [("made", 1)] * (self.optimized is not None) + [
            ("real pieces, the most exciting first", count)
        ]
        seen = "×".join(map(str, self.field))
        bound = "" if self.exact else "at most "
        notes = [
            f"A unit sees {bound}{seen} pixels. At most one piece of each of {self.images:,} pictures; gray lies "
            "outside of the picture. Below: what the unit gives, and the picture's class."
        ]
        title = f"What excites units of {self.layer} in {self.network}"
        return TileGrid(title, notes, rows, headings=heads, side=72)

    def figure(self) -> Figure:
        """The same as a figure."""
        return self.grid().figure()

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return self.grid().save(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "layer": self.layer,
            "network": self.network,
            "source": self.source,
            "images": self.images,
            "field": list(self.field),
            "exact": self.exact,
            "units": {
                str(unit): [dict(vars(each)) for each in found] for unit, found in self.patches.items()
            },
        }


def find_patches(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    layer: str = "last_maps",
    *,
    units: Sequence[int] | None = None,
    count: int = 9,
    memory: int = MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> UnitPatches:
    """The `count` places in `images` that excite each unit of `layer` most, at most one in each picture.

    Args:
        layer: a module that gives maps, or `last_maps`.
        units: channels of the layer; None takes the 8 whose patches excite them most beyond their own mean.
        memory: bytes that one pass may take; all that is kept are the best places so far.

    A unit's patch is what it sees of the network's input, to the pixel (`receptive_fields`). Raises UnknownNameError
    and InputError for a layer or a unit that is not there, ConfigError for a count below 1.
    """
    if count < 1:
        raise ConfigError(f"count is {count}; allowed: 1 or more")
    call = _call_of(network, images, preprocess, layer)
    if call.shape is None or len(call.shape) != 4:
        raise InputError(f"{call.name} gives no maps; patches need a layer that gives N×C×H×W")
    boxes = seen_boxes(network, call, (preprocess.channels, preprocess.size, preprocess.size))
    best = _best_places(network, images, preprocess, call, count, memory, progress)
    chosen = _chosen_units(best, call, units)
    found = {unit: best.patches(unit, boxes, images) for unit in chosen}
    pixels = _cut_out(found, images, preprocess, boxes)
    name = type(network).__name__
    return UnitPatches(call.name, name, found, pixels, images.source, len(images), boxes.size, boxes.exact)


def _call_of(network: nn.Module, images: ImageSet, preprocess: Preprocess, layer: str) -> LayerCall:
    first = preprocess(pixels_of(images.subset([0]), preprocess)).to(hardware_for(network, None).device)
    return choose_layers(find_calls(network, first), layer)[0]


@dataclass(eq=False)
class _Best:
    """The best places so far, C units × count, and the mean and spread of each unit's best by picture."""

    values: Tensor
    images: Tensor
    places: Tensor
    width: int
    sums: Tensor
    squares: Tensor
    seen: int = 0

    def add(self, maps: Tensor, start: int) -> None:
        """Maps N×C×H×W of the images from `start` on."""
        values, places = maps.flatten(2).max(2)  # N×C
        numbers = torch.arange(start, start + len(maps))[:, None].expand_as(values)
        stacked = torch.cat([self.values, values.T.double().cpu()], 1)
        order = stacked.argsort(dim=1, descending=True, stable=True)[:, : self.values.shape[1]]
        self.values = stacked.gather(1, order)
        self.images = torch.cat([self.images, numbers.T], 1).gather(1, order)
        self.places = torch.cat([self.places, places.T.cpu()], 1).gather(1, order)
        self.sums += values.double().sum(0).cpu()
        self.squares += values.double().square().sum(0).cpu()
        self.seen += len(maps)

    def patches(self, unit: int, boxes: SeenBoxes, images: ImageSet) -> tuple[Patch, ...]:
        found = []
        for value, image, place in zip(
            self.values[unit].tolist(), self.images[unit].tolist(), self.places[unit].tolist(), strict=True
        ):
            if image >= 0:
                position = divmod(place, self.width)
                label = images.classes[int(images.labels[image])]
                found.append(Patch(unit, value, image, position, boxes.inside(*position), label))
        return tuple(found)


def _best_places(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    call: LayerCall,
    count: int,
    memory: int,
    progress: Callable[[int, int], None] | None,
) -> _Best:
    assert call.shape is not None
    units = call.shape[1]
    best = _Best(
        torch.full((units, count), -torch.inf, dtype=torch.float64),
        torch.full((units, count), -1),
        torch.zeros(units, count, dtype=torch.int64),
        call.shape[3],
        torch.zeros(units, dtype=torch.float64),
        torch.zeros(units, dtype=torch.float64),
    )
    hardware = hardware_for(network, None)
    size = images_at_once(preprocess, 1, hardware)
    for batch in Batches(images, preprocess, size, device=hardware.device).epoch():
        found = capture(network, batch.images, call.name, memory=memory).maps[call.name]
        best.add(found, best.seen)
        if progress is not None:
            progress(best.seen, len(images))
    return best


def _chosen_units(best: _Best, call: LayerCall, units: Sequence[int] | None) -> list[int]:
    there = len(best.values)
    if units is None:
        mean = best.sums / best.seen
        spread = (best.squares / best.seen - mean.square()).clamp(min=0).sqrt()
        stands_out = (best.values[:, 0] - mean) / spread.clamp(min=1e-12)
        return sorted(stands_out.argsort(descending=True, stable=True)[:8].tolist())
    for unit in units:
        if not 0 <= unit < there:
            raise InputError(f"unit {unit} of {call.name}; it has units 0 to {there - 1}")
    return list(units)


def _cut_out(
    found: dict[int, tuple[Patch, ...]], images: ImageSet, preprocess: Preprocess, boxes: SeenBoxes
) -> dict[Patch, NDArray[np.uint8]]:
    """Of each patch the whole field, from the pictures as the network sees them before they are normalized."""
    numbers = sorted({patch.image for patches in found.values() for patch in patches})
    stored = pixels_of(images.subset(numbers), preprocess)
    shown = {}
    for number, pixels in zip(numbers, stored, strict=True):
        shown[number] = (
            (preprocess.fit(preprocess.to_unit(pixels[None]))[0] * 255).round().to(torch.uint8).numpy()
        )
    cut = {}
    for patch in (patch for patches in found.values() for patch in patches):
        cut[patch] = _whole_field(shown[patch.image], patch, boxes)
    return cut


def _whole_field(picture: NDArray[np.uint8], patch: Patch, boxes: SeenBoxes) -> NDArray[np.uint8]:
    top, bottom, left, right = patch.box
    down, across = boxes.offset(*patch.position)
    height, width = boxes.shown(*patch.position)
    field = np.full((picture.shape[0], height, width), _OUTSIDE, np.uint8)
    field[:, down : down + bottom - top, across : across + right - left] = picture[:, top:bottom, left:right]
    return field
