"""The picture of an embedding map: a point for each image, and thumbnails of as many as fit without covering others."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from convnets.evaluation.plots.drawing import INK, style_axes
from convnets.explanation.pictures.colors import as_picture, class_colors
from convnets.explanation.pictures.lettering import drawable, shortened
from convnets.explanation.representations.embedding_map import EmbeddingMap

__all__ = ["map_figure", "without_overlap"]

_SIDE = 0.032  # of a thumbnail, as a share of the map's side
_NAMED_CLASSES = 24


def map_figure(found: EmbeddingMap) -> Figure:
    """Points in the colors of their true classes; a cross marks those taken for another class."""
    figure = Figure(figsize=(10.0, 8.4))
    axes = figure.add_axes((0.02, 0.045, 0.8, 0.87))
    style_axes(axes, "", "")
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(
        drawable(found.title), loc="left", fontsize=11, fontweight="bold", color=INK, pad=10, parse_math=False
    )
    places = _in_square(found.positions)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    colors = np.array(class_colors(len(found.classes)))
    wrong = found.labels != found.predicted
    x, y = places.T
    axes.scatter(x[~wrong], y[~wrong], s=9, c=colors[found.labels[~wrong]], alpha=0.75, linewidths=0)
    axes.scatter(x[wrong], y[wrong], s=26, c=colors[found.labels[wrong]], marker="x", linewidths=1.3)
    for place in without_overlap(places, 1.35 * _SIDE):
        _draw_thumbnail(axes, found, int(place), places[place], colors)
    _draw_legend(axes, found)
    axes.text(0, -0.035, found.note, fontsize=9, color=INK, va="top", transform=axes.transAxes)
    return figure


def without_overlap(places: NDArray[np.float64], distance: float) -> list[int]:
    """Which of N×2 places keep `distance` along an axis from each other, taken in their order.

    >>> without_overlap(np.array([[0.0, 0.0], [0.1, 0.1], [0.0, 0.5]]), 0.2)
    [0, 2]
    """
    kept: list[int] = []
    for place, here in enumerate(places):
        others = places[kept]
        if not len(others) or float(np.abs(others - here).max(1).min()) >= distance:
            kept.append(place)
    return kept


def _in_square(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moved and scaled alike along both axes, so that the longer one is from 0 to 1 and the other one in its middle."""
    low, high = positions.min(0), positions.max(0)
    longest = float((high - low).max()) or 1.0
    placed: NDArray[np.float64] = (positions - (low + high) / 2) / longest + 0.5
    return placed


def _draw_thumbnail(
    axes: Axes, found: EmbeddingMap, index: int, place: NDArray[np.float64], colors: NDArray[np.str_]
) -> None:
    picture = as_picture(found.pixels[index].numpy())
    height, width = np.array(picture.shape[:2]) / max(picture.shape[:2]) * _SIDE
    left, bottom = place[0] - width / 2, place[1] - height / 2
    extent = (left, left + width, bottom, bottom + height)
    axes.imshow(picture, extent=extent, interpolation="antialiased", aspect="auto", zorder=3)
    wrong = found.labels[index] != found.predicted[index]
    frame = Rectangle(
        (left, bottom),
        width,
        height,
        fill=False,
        edgecolor=colors[found.labels[index]],
        linewidth=1.6,
        linestyle=(0, (2, 1)) if wrong else "-",
        zorder=4,
    )
    axes.add_patch(frame)


def _draw_legend(axes: Axes, found: EmbeddingMap) -> None:
    shown = found.classes[:_NAMED_CLASSES]
    handles = [
        Line2D([], [], marker="s", linestyle="", markersize=8, color=color)
        for color in class_colors(len(shown))
    ]
    names = [shortened(drawable(name), 135, 9) for name in shown]
    handles.append(Line2D([], [], marker="x", linestyle="", color=INK))
    names.append(f"{found.mistakes} mistaken")
    if len(found.classes) > len(shown):
        names[-1] += f"; {len(found.classes) - len(shown)} more classes"
    legend = axes.legend(
        handles, names, frameon=False, fontsize=9, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )
    for words in legend.get_texts():
        words.set_parse_math(False)
