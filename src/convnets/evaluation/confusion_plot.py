"""The confusion matrix as SVG text."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from convnets.evaluation.chart import (
    BLUE,
    INK,
    ORANGE,
    Panel,
    as_number,
    document,
    label,
    short_name,
    text_width,
    ticks,
)
from convnets.evaluation.evaluation import Evaluation

__all__ = ["CELLS", "confusion_svg"]

CELLS = 100
"""Cells along a side of the confusion matrix at most; smaller ones could not be seen."""

_NAMED_CLASSES = 40  # more names than this do not fit beside a matrix
_COUNTED_CLASSES = 14  # more counts than this do not fit into its cells
_AXIS = 18.0  # room for an axis's name
_AIR = 6.0


def confusion_svg(evaluation: Evaluation) -> str:
    """The confusion matrix: each row is a true class; blue cells are right, orange ones are mistakes.

    A cell's strength is its share of the row; mistakes are drawn by its square root, so that rare ones show.
    Counts are written with up to 14 classes, names with up to 40; of more than 100 classes, neighbours in the order
    of the labels share a cell, whose blue is the share that was right and whose orange the share outside the cell.
    """
    counts = evaluation.confusion.numpy()
    classes = len(counts)
    width = 460.0 if classes > _COUNTED_CLASSES else 137 + 30.0 * classes
    names = [short_name(name, 16) for name in evaluation.classes] if classes <= _NAMED_CLASSES else []
    widest = max((text_width(name) for name in names), default=text_width(str(classes)))
    left = _AXIS + widest + _AIR
    side = max(width - left - _AIR, 12.0 * min(classes, _COUNTED_CLASSES))
    panel = Panel(left, _AIR, side, side, (0, classes), (classes, 0))
    upright = bool(names) and widest > side / classes - 4
    below = (widest if upright else 12.0) + _AIR
    parts = [_picture(panel, counts), *(_names(panel, names, upright) if names else _numbers(panel, classes))]
    if classes <= _COUNTED_CLASSES:
        parts += _written(panel, counts)
    middle, bottom = left + side / 2, _AIR + side + below
    parts.append(label(middle, bottom + 10, "predicted", anchor="middle"))
    parts.append(label(10, _AIR + side / 2, "true", anchor="middle", turn=-90))
    about = f"Confusion matrix of {classes} classes"
    return document(left + side + _AIR, bottom + _AXIS, parts, about)


def _picture(panel: Panel, counts: np.ndarray) -> str:
    """The cells as a picture of one pixel each, drawn large without smoothing."""
    pixels = np.round(255 * _cells(counts)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    place = f'x="{panel.left:g}" y="{panel.top:g}" width="{panel.width:g}" height="{panel.height:g}"'
    style = "image-rendering: crisp-edges; image-rendering: pixelated"
    link = f'xlink:href="data:image/png;base64,{data}"'
    return f'<image {place} preserveAspectRatio="none" style="{style}" {link}/>'


def _names(panel: Panel, names: list[str], upright: bool) -> list[str]:
    parts, bottom = [], panel.top + panel.height
    size = min(9.0, panel.height / len(names))
    for place, name in enumerate(names):
        x, y = panel.x(place + 0.5), panel.y(place + 0.5)
        parts.append(label(panel.left - 5, y + size / 3, name, size=size, anchor="end"))
        if upright:
            parts.append(label(x + size / 3, bottom + 5, name, size=size, anchor="end", turn=-90))
        else:
            parts.append(label(x, bottom + 12, name, size=size, anchor="middle"))
    return parts


def _numbers(panel: Panel, classes: int) -> list[str]:
    """Labels' numbers in place of names, at round ones."""
    parts = []
    for place in ticks(0, classes - 1, 8, whole=True):
        x, y = panel.x(place + 0.5), panel.y(place + 0.5)
        parts.append(label(panel.left - 5, y + 3, as_number(place), anchor="end"))
        parts.append(label(x, panel.top + panel.height + 12, as_number(place), anchor="middle"))
    return parts


def _cells(counts: np.ndarray) -> np.ndarray:
    """K×K counts → B×B×4 RGBA with B ≤ 100; nothing is drawn where nothing was counted."""
    blue, orange = ([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in (BLUE, ORANGE))
    starts = np.arange(0, len(counts), -(-len(counts) // CELLS))
    blocks = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    right = np.add.reduceat(counts.diagonal(), starts)
    images = np.maximum(blocks.sum(1, keepdims=True), 1)
    diagonal = np.eye(len(blocks), dtype=bool)
    cells = np.empty((*blocks.shape, 4))
    cells[..., :3] = np.where(diagonal[..., None], blue, orange)
    cells[..., 3] = np.where(diagonal, right[:, None] / images, np.sqrt(blocks / images))
    return cells


def _written(panel: Panel, counts: np.ndarray) -> list[str]:
    strength, parts = _cells(counts)[..., 3], []
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "#ffffff" if strength[row, column] > 0.6 else INK
            x, y = panel.x(column + 0.5), panel.y(row + 0.5) + 3
            parts.append(label(x, y, str(count), size=8, anchor="middle", colour=colour))
    return parts
