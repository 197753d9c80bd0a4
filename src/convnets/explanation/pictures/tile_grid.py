"""Tile grid: rows of small pictures with names, captions and a scale of their colors, as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from convnets.evaluation.plots.drawing import GRID, INK
from convnets.explanation.pictures.colors import ColorScale, Pixels
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.lettering import drawable, shortened, text_width, wrapped
from convnets.explanation.pictures.shown import Shown

__all__ = ["Tile", "TileGrid", "TileRow", "in_rows"]

_MARGIN, _GAP, _GROUP_GAP = 16, 6, 14  # pixels, of which the figure has 100 an inch
_TITLE, _TEXT, _SMALL = 11.0, 8.5, 7.0  # points
_LINE = {_TITLE: 22, _TEXT: 16, _SMALL: 13}  # pixels from line to line
_WIDEST_NAME = 170
_LEAST_WIDTH, _WIDEST_TITLE = 430, 800
_BOLD = 1.14  # bold letters are that much wider


@dataclass(frozen=True, eq=False)
class Tile:
    """One small picture."""

    pixels: Pixels
    """uint8 H×W×3."""
    captions: Sequence[str] = ()
    """Lines under it."""
    frame: str | None = None
    """Color of a frame around it; None for a quiet line."""


@dataclass(frozen=True, eq=False)
class TileRow:
    """Tiles side by side under a name, which may be empty."""

    name: str
    tiles: Sequence[Tile | None]
    """None leaves the place free."""


def in_rows(tiles: Sequence[Tile], columns: int) -> list[TileRow]:
    """The tiles from left to right, `columns` in a row, without names."""
    return [TileRow("", tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


@dataclass(frozen=True, eq=False)
class TileGrid(Shown):
    """Rows of tiles under a title.

    >>> tile = Tile(np.zeros((8, 8, 3), dtype=np.uint8), ["unit 0"])
    >>> TileGrid("Maps of conv1", [], in_rows([tile] * 6, 4)).figure().get_size_inches().round(1).tolist()
    [4.3, 2.6]
    """

    title: str
    notes: Sequence[str]
    """Sentences under the title, broken into lines."""
    rows: Sequence[TileRow]
    scale: ColorScale | None = None
    """Drawn as a bar below the tiles; None where tiles have scales of their own."""
    side: int = 80
    """Pixels that a tile's long side is brought near to."""
    headings: Sequence[tuple[str, int]] = ()
    """Names over groups of columns, and how many columns each has."""

    def figure(self) -> Figure:
        """The whole as a figure; letters are letters in SVG."""
        return _Layout(self).draw()

    def save(self, path: Path | str) -> Path:
        """Write PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), self.title)


class _Layout:
    """Where everything stands, in pixels from the top left."""

    def __init__(self, grid: TileGrid) -> None:
        self.grid = grid
        tiles = [tile for row in grid.rows for tile in row.tiles if tile is not None]
        sizes = [_size(tile.pixels, grid.side) for tile in tiles]
        self.height = max((height for height, _ in sizes), default=1)
        self.width = max((width for _, width in sizes), default=1)
        self.lines = max((len(tile.captions) for tile in tiles), default=0)
        columns = max((len(row.tiles) for row in grid.rows), default=1)
        widest = max((text_width(drawable(row.name), _TEXT) for row in grid.rows), default=0.0)
        left = _MARGIN + (min(widest, _WIDEST_NAME) + 10 if widest else 0)
        self.columns = self._left_edges(left, columns)
        named = min(text_width(drawable(grid.title), _TITLE) * _BOLD + 2 * _MARGIN, _WIDEST_TITLE)
        self.page_width = max(self.columns[-1] + self.width + _MARGIN, _LEAST_WIDTH, named)
        room = self.page_width - 2 * _MARGIN
        self.notes = [line for each in grid.notes for line in wrapped(drawable(each), room, _TEXT)]
        self.top = _MARGIN + _LINE[_TITLE] + len(self.notes) * _LINE[_TEXT] + 10
        self.top += 24 if grid.headings else 0
        self.pitch = self.height + _GAP + self.lines * _LINE[_SMALL] + (2 if self.lines else 0)
        bar = 40 if grid.scale is not None else 0
        self.page_height = self.top + self.pitch * len(grid.rows) + bar + _MARGIN - _GAP

    def _left_edges(self, left: float, columns: int) -> list[float]:
        edges: list[float] = []
        for _, count in self.grid.headings or (("", columns),):
            edges += [left + index * (self.width + _GAP) for index in range(count)]
            left = edges[-1] + self.width + _GROUP_GAP
        return edges

    def draw(self) -> Figure:
        figure = Figure(figsize=(self.page_width / 100, self.page_height / 100))
        figure.suppressComposite = True  # each tile with its own pixels, sharp at any size
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, self.page_width)
        axes.set_ylim(self.page_height, 0)
        axes.axis("off")
        title = shortened(drawable(self.grid.title), (self.page_width - 2 * _MARGIN) / _BOLD, _TITLE)
        _write(axes, _MARGIN, _MARGIN - 4, title, _TITLE, fontweight="bold")
        for index, line in enumerate(self.notes):
            _write(axes, _MARGIN, _MARGIN + _LINE[_TITLE] + index * _LINE[_TEXT], line, _TEXT)
        self._draw_headings(axes)
        for index, row in enumerate(self.grid.rows):
            self._draw_row(axes, row, self.top + index * self.pitch)
        if self.grid.scale is not None:
            self._draw_scale(axes, self.grid.scale)
        return figure

    def _draw_headings(self, axes: Axes) -> None:
        first = 0
        for name, count in self.grid.headings:
            left, right = self.columns[first], self.columns[first + count - 1] + self.width
            _write(axes, left, self.top - 24, shortened(drawable(name), right - left, _TEXT), _TEXT)
            axes.plot([left, right], [self.top - 6] * 2, color=GRID, linewidth=0.8)
            first += count

    def _draw_row(self, axes: Axes, row: TileRow, top: float) -> None:
        if row.name:
            name = shortened(drawable(row.name), _WIDEST_NAME, _TEXT)
            place = self.columns[0] - 10, top + self.height / 2
            axes.text(*place, name, ha="right", va="center", fontsize=_TEXT, color=INK, parse_math=False)
        for left, tile in zip(self.columns, row.tiles, strict=False):
            if tile is not None:
                self._draw_tile(axes, tile, left, top)

    def _draw_tile(self, axes: Axes, tile: Tile, left: float, top: float) -> None:
        height, width = _size(tile.pixels, self.grid.side)
        pixels = tile.pixels if height >= len(tile.pixels) else _reduced(tile.pixels, height, width)
        x, y = left + (self.width - width) // 2, top + (self.height - height) // 2
        axes.imshow(pixels, extent=(x, x + width, y + height, y), interpolation="none", aspect="auto")
        edge, line = (GRID, 0.6) if tile.frame is None else (tile.frame, 1.6)
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=edge, linewidth=line))
        for index, caption in enumerate(tile.captions):
            words = shortened(drawable(caption), self.width + _GAP - 2, _SMALL)
            _write(axes, left, top + self.height + 3 + index * _LINE[_SMALL], words, _SMALL)

    def _draw_scale(self, axes: Axes, scale: ColorScale) -> None:
        left, top, width = self.columns[0], self.page_height - _MARGIN - 30, 200
        steps = scale.color(np.linspace(scale.low, scale.high, width))[None]
        axes.imshow(steps, extent=(left, left + width, top + 10, top), interpolation="nearest", aspect="auto")
        ends = [(scale.low, 0.0), (scale.high, 1.0)] + ([(0.0, 0.5)] if scale.signed else [])
        for value, place in ends:
            align = {0.0: "left", 0.5: "center", 1.0: "right"}[place]
            _write(axes, left + place * width, top + 12, f"{value:.3g}", _SMALL, ha=align)


def _size(pixels: Pixels, side: int) -> tuple[int, int]:
    """Height and width that it is drawn in: whole multiples where it grows, so that its pixels stay squares."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return height * (side // longest), width * (side // longest)
    return max(1, round(height * side / longest)), max(1, round(width * side / longest))


def _reduced(pixels: Pixels, height: int, width: int) -> NDArray[Any]:
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _write(axes: Axes, x: float, y: float, words: str, points: float, **style: Any) -> None:
    axes.text(x, y, words, **{"va": "top", "fontsize": points, "color": INK, "parse_math": False, **style})
