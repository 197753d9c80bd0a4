"""Drawing attributions: overlays and grids; red speaks for the class, blue against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convnets.explanation.pictures.colors import ColorScale, as_picture
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow
from convnets.explanation.verdict import Verdict

__all__ = ["DrawnMap", "attribution_grid", "overlay", "strength"]

_FOR, _AGAINST = np.array([213.0, 74.0, 0.0]), np.array([0.0, 92.0, 190.0])  # told apart by all color vision
_DENSEST = 0.85
_SHARE = 99.5  # percent of the values that are within the scale: single pixels of a gradient reach far beyond
_SIDE = 140
_READING = {
    False: "Red speaks for the class, blue against it",
    True: "Red: a brighter pixel raises the score; blue: a darker one does",
}


class DrawnMap(Protocol):
    """What of an attribution is drawn; see `Attribution` for each."""

    @property
    def name(self) -> str: ...
    @property
    def place(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def layer(self) -> str | None: ...
    @property
    def question(self) -> str: ...
    @property
    def target_name(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def predicted_name(self) -> str: ...
    @property
    def picture(self) -> NDArray[np.uint8]: ...
    @property
    def native(self) -> NDArray[np.float32]: ...
    @property
    def evidence(self) -> NDArray[np.float32]: ...
    @property
    def is_empty(self) -> bool: ...
    @property
    def by_magnitude(self) -> bool: ...
    @property
    def residual(self) -> float | None: ...
    @property
    def total(self) -> float | None: ...
    @property
    def words(self) -> str: ...
    @property
    def verdicts(self) -> tuple[Verdict, ...]: ...


def strength(values: NDArray[np.float32]) -> float:
    """The |value| with the strongest color: 99.5 % are no larger; 0 for a map of zeros."""
    magnitudes = np.abs(values)
    high = float(np.percentile(magnitudes, _SHARE)) if values.size else 0.0
    return high or (float(magnitudes.max()) if values.size else 0.0)


def overlay(picture: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 H×W×3: the picture C×H×W in gray under colors that are the denser the larger the value, H×W."""
    gray = as_picture(picture).mean(2, keepdims=True)
    density = _DENSEST * np.clip(np.abs(values) / (strength(values) or 1.0), 0, 1)[..., None]
    color = np.where((values >= 0)[..., None], _FOR, _AGAINST)
    return np.asarray(((1 - density) * gray + density * color).round(), dtype=np.uint8)


def attribution_grid(attributions: Sequence[DrawnMap]) -> TileGrid:
    """One row for each picture: the picture, then an overlay, and the map where there is one for the picture."""
    rows: dict[int, list[DrawnMap]] = {}
    for each in attributions:
        rows.setdefault(each.place, []).append(each)
    drawn = []
    for found in rows.values():
        first = found[0]
        tiles = [Tile(as_picture(first.picture), [f"taken for {first.predicted_name}"])]
        one_method = len({each.method for each in found}) == 1
        for each in found:
            place = each.layer if one_method and each.layer else each.method
            tiles += _tiles(each, place, several=len(found) > 1)
        drawn.append(TileRow(first.name if len(rows) > 1 else "", tiles))
    return TileGrid(_title(attributions), _notes(attributions), drawn, side=_SIDE)


def _title(attributions: Sequence[DrawnMap]) -> str:
    questions = dict.fromkeys(each.question for each in attributions)
    methods = dict.fromkeys(each.method for each in attributions)
    asked = f"Why {next(iter(questions))}?" if len(questions) == 1 else "Why these classes?"
    return f"{asked} {', '.join(methods)}" if len(methods) == 1 else asked


def _notes(attributions: Sequence[DrawnMap]) -> list[str]:
    notes = []
    if len(attributions) == 1:
        notes = [attributions[0].words, *(verdict.words for verdict in attributions[0].verdicts)]
    readings = {_READING[each.by_magnitude] for each in attributions}
    notes += [f"{reading}." for reading in sorted(readings)] if len(readings) == 1 else []
    return notes


def _tiles(found: DrawnMap, place: str, *, several: bool) -> list[Tile]:
    values = found.evidence
    signed, high = bool((values < 0).any()), strength(values)
    scale = "empty map" if found.is_empty else f"±{high:.2g}" if signed else f"0 to {high:.2g}"
    over = Tile(overlay(found.picture, values), [place, scale if several else _asked(found)])
    if several:
        return [over]
    return [over, Tile(ColorScale(-high if signed else 0.0, high).color(values), ["the map", scale])]


def _asked(found: DrawnMap) -> str:
    return f"{found.question}, {found.probability:.1%}"
