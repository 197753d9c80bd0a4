"""The chart of a reproduction: for each network the book's range, the notes' run and ours from every seed."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from convnets.evaluation.plots.drawing import BLUE, INK, ORANGE, style_axes, svg_text
from convnets.recipes.published import BookBuilds
from convnets.recipes.reproduction import NetworkResult, Reproduction, Spread
from convnets.recipes.reproduction_plan import DATA
from convnets.recipes.reproduction_text import epochs_in_words

__all__ = ["reproduction_figure", "reproduction_svg"]

_LEAST = 0.6  # the axis begins here where nothing of ours lies below; the book's stuck builds are named at the edge
_RANGE = "#b8c2cc"  # of the book's builds; with the medians in ink it needs no color
_BAND = 0.56  # height of a network's band, of 1


def reproduction_svg(found: Reproduction) -> str:
    """The chart as SVG text."""
    return svg_text(
        reproduction_figure(found), "Test accuracy by network: the book's builds, the notes, ours"
    )


def reproduction_figure(found: Reproduction) -> Figure:
    """A row for each network with a run that ended; raises ValueError where there is none."""
    shown = [each for each in found.networks if each.spread("test_accuracy") is not None]
    if not shown:
        raise ValueError("no run has ended; there is nothing to draw")
    figure = Figure(figsize=(9.2, 1.5 + 0.62 * len(shown)), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "Test accuracy", "")
    axes.grid(False, axis="y")
    low, high = _limits(shown)
    axes.set_xlim(low, high)
    for place, each in enumerate(shown):
        accuracy = each.spread("test_accuracy")
        assert accuracy is not None
        _draw_book(axes, each.published.book, place, low)
        if each.published.notes is not None:
            axes.plot(
                each.published.notes.test_accuracy,
                place,
                "D",
                color=ORANGE,
                markersize=7,
                mec="white",
                zorder=6,
            )
        _draw_ours(axes, each, accuracy, place, high)
    axes.set_yticks(range(len(shown)), [_name(each) for each in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    _draw_legend(figure, shown)
    return figure


def _name(each: NetworkResult) -> str:
    """The network, and below it in what its runs are not the notes'."""
    other = [] if each.config.epochs == each.recipe_epochs else [f"{epochs_in_words(each)} epochs"]
    other += [] if each.data == DATA else ["other data"]
    return "\n".join([each.network, ", ".join(other)] if other else [each.network])


def _limits(shown: list[NetworkResult]) -> tuple[float, float]:
    ours = [value for each in shown if (spread := each.spread("test_accuracy")) for value in spread.values]
    notes = [each.published.notes.test_accuracy for each in shown if each.published.notes is not None]
    book = [builds.maximum for each in shown for builds in each.published.book]
    # half a tenth and more stays free for what is written at the edge
    low = min(_LEAST, math.floor(10 * min(ours + notes) - 0.5) / 10)
    high = max(ours + notes + book)
    return low, high + 0.012 * (high - low)


def _draw_book(axes: Axes, book: tuple[BookBuilds, ...], place: int, low: float) -> None:
    """A bar from the smallest to the largest, a tick at the median; what lies left of the axis is written."""
    height = _BAND / len(book)
    for index, builds in enumerate(book):
        y = place - _BAND / 2 + (index + 0.5) * height
        start = max(builds.minimum, low)
        axes.barh(y, builds.maximum - start, 0.92 * height, start, color=_RANGE, alpha=0.55, zorder=1)
        half = 0.46 * height
        axes.vlines(builds.median, y - half, y + half, color=INK, linewidth=2.2, zorder=2)
        if builds.minimum < low:
            axes.text(low, y, f" ◂ {builds.minimum:.3f}", va="center", fontsize=8, color=INK, zorder=3)


def _draw_ours(axes: Axes, each: NetworkResult, accuracy: Spread, place: int, high: float) -> None:
    """A dot for each seed, hollow where the runs are not the notes', the mean as a line, and both in words."""
    face = BLUE if each.comparable else "white"
    axes.plot(
        accuracy.values,
        [place] * len(accuracy.values),
        "o",
        mfc=face,
        mec=BLUE,
        markersize=5.5,
        alpha=0.75,
        zorder=5,
    )
    axes.vlines(accuracy.mean, place - 0.36, place + 0.36, color=BLUE, linewidth=2.2, zorder=5)
    deviation = accuracy.standard_deviation
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    words = f"  {accuracy.mean:.3f}{spread}  (n = {len(accuracy.values)})"
    axes.text(high, place, words, va="center", fontsize=9, color=BLUE, clip_on=False)


def _draw_legend(figure: Figure, shown: list[NetworkResult]) -> None:
    def marker(shape: str, face: str, edge: str, label: str) -> Line2D:
        return Line2D([], [], linestyle="", marker=shape, mfc=face, mec=edge, markersize=7, label=label)

    handles: list[Line2D | Patch] = [
        Patch(color=_RANGE, alpha=0.55, label="the book's builds, min to max"),
        Line2D([], [], color=INK, linewidth=2.2, label="their median"),
    ]
    if any(each.published.notes is not None for each in shown):
        handles.append(marker("D", ORANGE, "white", "the notes"))
    if any(each.comparable for each in shown):
        handles.append(marker("o", BLUE, BLUE, "ours, by seed"))
    if not all(each.comparable for each in shown):
        handles.append(marker("o", "white", BLUE, "ours, other epochs or data"))
    handles.append(Line2D([], [], color=BLUE, linewidth=2.2, label="our mean"))
    figure.legend(
        handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=9, labelcolor=INK
    )
