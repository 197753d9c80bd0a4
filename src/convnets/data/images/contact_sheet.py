"""Contact sheet: rows of small pictures with names, headings and captions, drawn with Pillow.

C channels, H height, W width of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

__all__ = ["ContactSheet", "SheetRow"]

_TILE = 112  # pixels that a picture's long side is brought near to
_MARGIN, _GAP, _GROUP_GAP = 28, 8, 28
_LARGEST_LABEL = 180
_INK, _GRAY, _RULE, _PAPER = "#1f2328", "#656d76", "#d0d7de", "#ffffff"
_TITLE, _TEXT, _SMALL = 20, 14, 12  # font sizes in pixels


@dataclass(frozen=True)
class SheetRow:
    """One row: a name, its pictures from left to right, and lines of text under each of them."""

    name: str
    tiles: Sequence[Tensor]
    """uint8 C×H×W each, C = 1 or 3."""
    captions: Sequence[Sequence[str]] = ()
    """Lines under each picture, as many entries as pictures, or none at all."""


@dataclass(frozen=True)
class ContactSheet:
    """Rows of pictures of one size under a title; `groups` names columns that belong together.

    >>> import torch
    >>> tile = torch.zeros(1, 28, 28, dtype=torch.uint8)
    >>> sheet = ContactSheet("digits", (), (("before", 1), ("after", 1)), (SheetRow("seven", (tile, tile)),))
    >>> sheet.draw().mode
    'RGB'
    """

    title: str
    notes: Sequence[str]
    """Paragraphs under the title, broken into lines as wide as the sheet."""
    groups: Sequence[tuple[str, int]]
    """Heading and number of columns of each group, from left to right."""
    rows: Sequence[SheetRow]
    fonts: dict[int, ImageFont.FreeTypeFont] = field(default_factory=lambda: _fonts(), repr=False)
    """Font of each size in pixels."""

    def draw(self) -> Image.Image:
        """The sheet as an RGB picture."""
        tile = _tile_size(self.rows[0].tiles[0])
        columns = self._columns(tile[0])
        width = max(columns[-1] + tile[0] + _MARGIN, 480)
        notes = [line for note in self.notes for line in self._wrap(note, width - 2 * _MARGIN)]
        top = _MARGIN + 34 + 20 * len(notes) + 40
        lines = max((len(caption) for row in self.rows for caption in row.captions), default=0)
        pitch = tile[1] + _GAP + (16 * lines + 6 if lines else 0)
        paper = Image.new("RGB", (width, top + pitch * len(self.rows) + _MARGIN - _GAP), _PAPER)
        self._draw_heading(ImageDraw.Draw(paper), notes, columns, tile[0], top)
        for index, row in enumerate(self.rows):
            self._draw_row(paper, row, columns, top + index * pitch, tile)
        return paper

    def _columns(self, tile_width: int) -> list[int]:
        """Left edge of every column in pixels."""
        label = max(self.fonts[_TEXT].getlength(_printable(row.name)) for row in self.rows)
        left = _MARGIN + min(round(label), _LARGEST_LABEL) + 2 * _GAP
        edges = []
        for _, count in self.groups:
            edges += [left + index * (tile_width + _GAP) for index in range(count)]
            left = edges[-1] + tile_width + _GROUP_GAP
        return edges

    def _draw_heading(
        self,
        pen: ImageDraw.ImageDraw,
        notes: Sequence[str],
        columns: Sequence[int],
        tile_width: int,
        top: int,
    ) -> None:
        title = self._shorten(self.title, columns[-1] + tile_width - _MARGIN, _TITLE)
        pen.text((_MARGIN, _MARGIN - 6), title, _INK, self.fonts[_TITLE])
        for index, line in enumerate(notes):
            pen.text((_MARGIN, _MARGIN + 28 + 20 * index), line, _GRAY, self.fonts[_TEXT])
        first = 0
        for heading, count in self.groups:
            left, right = columns[first], columns[first + count - 1] + tile_width
            pen.text((left, top - 30), self._shorten(heading, right - left, _TEXT), _INK, self.fonts[_TEXT])
            pen.line((left, top - 9, right - 1, top - 9), _RULE)
            first += count

    def _draw_row(
        self, paper: Image.Image, row: SheetRow, columns: Sequence[int], top: int, tile: tuple[int, int]
    ) -> None:
        pen = ImageDraw.Draw(paper)
        name = self._shorten(row.name, _LARGEST_LABEL, _TEXT)
        pen.text((columns[0] - 2 * _GAP, top + tile[1] // 2), name, _INK, self.fonts[_TEXT], anchor="rm")
        for index, (left, pixels) in enumerate(zip(columns, row.tiles, strict=False)):
            paper.paste(_tile(pixels, tile), (left, top))
            for line, caption in enumerate(row.captions[index] if row.captions else ()):
                place = (left, top + tile[1] + 3 + 16 * line)
                pen.text(place, self._shorten(caption, tile[0], _SMALL), _GRAY, self.fonts[_SMALL])

    def _shorten(self, text: str, width: float, size: int) -> str:
        """The text, cut with an ellipsis where it is wider than `width` pixels."""
        text, font = _printable(text), self.fonts[size]
        if font.getlength(text) <= width:
            return text
        while text and font.getlength(text + "…") > width:
            text = text[:-1]
        return text + "…"

    def _wrap(self, text: str, width: float) -> list[str]:
        """The text in lines of at most `width` pixels, broken at spaces."""
        lines: list[str] = []
        for word in _printable(text).split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.fonts[_TEXT].getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(self._shorten(word, width, _TEXT))
        return lines


def _fonts() -> dict[int, ImageFont.FreeTypeFont]:
    """DejaVu Sans as it comes with matplotlib, so that sheets look alike everywhere."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return {size: ImageFont.truetype(str(path), size) for size in (_TITLE, _TEXT, _SMALL)}


def _printable(text: str) -> str:
    """The text on one line, without what cannot be drawn: file names may hold bytes that are not UTF-8."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else " " for character in whole)


def _tile_size(pixels: Tensor) -> tuple[int, int]:
    """Width and height of a drawn picture: a whole multiple of a small one, at most the tile for a large one."""
    height, width = pixels.shape[-2:]
    longest = max(height, width)
    if longest <= _TILE:
        return width * (_TILE // longest), height * (_TILE // longest)
    return max(1, round(width * _TILE / longest)), max(1, round(height * _TILE / longest))


def _tile(pixels: Tensor, size: tuple[int, int]) -> Image.Image:
    """uint8 C×H×W as a picture of `size`: whole pixels when it grows, smooth when it shrinks."""
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    grows = size[0] >= picture.width
    return picture.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS).convert(
        "RGB"
    )
