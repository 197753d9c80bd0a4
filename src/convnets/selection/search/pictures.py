"""Pictures of a search: how it went, which options matter, which values do well, and what accuracy costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from convnets.evaluation.plots.drawing import BLUE, GRID, INK, ORANGE, style_axes
from convnets.selection.search.found import Search, Tried
from convnets.selection.search.importance import importances
from convnets.selection.search.space import Choice, Range, Space

__all__ = ["search_figures"]

_COLUMNS = 3
_BEHIND = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}  # of words that lines run through
_MOST_FRONT_LABELS = 12


def search_figures(found: Search) -> dict[str, Figure]:
    """By name: history, importance, slices, parallel, and front where accuracy is weighed against a cost.

    Raises RunError before a trial has ended.
    """
    best = found.best
    ended = [each for each in found.tried if each.accuracy is not None]
    figures = {
        "history": _history(ended),
        "importance": _importance(importances(found)),
        "slices": _slices(ended, best, found.space),
        "parallel": _parallel(ended, best, found.space),
    }
    if found.settings["against"]:
        figures["front"] = _front(ended, found.front, found.settings["against"])
    return figures


def _accuracies(tried: Sequence[Tried]) -> list[float]:
    return [each.accuracy or 0.0 for each in tried]


def _history(ended: Sequence[Tried]) -> Figure:
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "Validation accuracy, trial after trial", "trial")
    numbers, values = [each.number for each in ended], _accuracies(ended)
    axes.plot(numbers, values, "o", color=BLUE, markersize=5, alpha=0.7, label="trial")
    best = list(accumulate(values, max))
    axes.step(numbers, best, where="post", color=ORANGE, linewidth=2, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")
    return figure


def _importance(shares: dict[str, float]) -> Figure:
    figure = Figure(figsize=(6.4, 1.2 + 0.34 * len(shares)), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "How much each option matters", "share of the importance (fANOVA)")
    names = sorted(shares, key=lambda name: shares[name])
    bars = axes.barh(
        [_words(name) for name in names], [shares[name] for name in names], color=BLUE, height=0.6
    )
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=4, fontsize=9, color=INK)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.12 * max([*shares.values(), 0.01]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def _slices(ended: Sequence[Tried], best: Tried, space: Space) -> Figure:
    columns = min(_COLUMNS, len(space))
    lines = -(-len(space) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.6, 2.3 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(space) :]:
        axes.set_axis_off()
    for axes, (name, part) in zip(grid.flat, space.items(), strict=False):
        style_axes(axes, "", _words(name))
        own = [each for each in ended if name in each.options]
        axes.plot(
            [_place(part, each.options[name]) for each in own], _accuracies(own), "o", color=BLUE, alpha=0.6
        )
        if best in own:
            axes.plot([_place(part, best.options[name])], [best.accuracy], "D", color=ORANGE, markersize=8)
        _scale(axes, part)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    figure.suptitle(
        "Validation accuracy by option; the best trial is the diamond",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
        color=INK,
    )
    return figure


def _parallel(ended: Sequence[Tried], best: Tried, space: Space) -> Figure:
    """A line per trial through its value on each axis, best ones on top."""
    figure = Figure(figsize=(1.3 * len(space) + 2.2, 4.2), layout="constrained")
    axes = figure.subplots()
    style_axes(axes, "Each trial's options, and its validation accuracy", "")
    axes.grid(visible=False)
    axes.set_yticks([])
    values = _accuracies(ended)
    scale = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1e-3)
    names = list(space)
    for each in sorted(ended, key=lambda one: one.accuracy or 0.0):
        if not set(names) <= each.options.keys():
            continue
        heights = [_height(space[name], each.options[name]) for name in names]
        color = (
            ORANGE if each is best else colormaps["Blues"](float(0.25 + 0.75 * scale(each.accuracy or 0.0)))
        )
        axes.plot(range(len(names)), heights, color=color, linewidth=2.5 if each is best else 1.2)
    for place, name in enumerate(names):
        axes.axvline(place, color=GRID, linewidth=1, zorder=0)
        for height, text in _marks(space[name]):
            axes.text(place + 0.04, height, text, fontsize=8, color=INK, va="center", bbox=_BEHIND)
    axes.set_xticks(range(len(names)), [_words(name).replace(" ", "\n") for name in names])
    axes.set_xlim(-0.15, len(names) - 0.4)
    bar = figure.colorbar(ScalarMappable(scale, colormaps["Blues"]), ax=axes, pad=0.01, fraction=0.04)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    bar.ax.tick_params(colors=INK, labelsize=8, length=0)
    bar.outline.set_visible(False)
    return figure


def _front(ended: Sequence[Tried], front: Sequence[Tried], against: str) -> Figure:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    words = {"seconds": "seconds of training", "macs": "multiply-accumulates for one image"}
    style_axes(axes, "What accuracy costs", words.get(against, against), "validation accuracy")
    costs = [each.cost or 0.0 for each in ended]
    axes.plot(costs, _accuracies(ended), "o", color=BLUE, alpha=0.45, label="trial")
    own = [each.cost or 0.0 for each in front]
    axes.step(own, _accuracies(front), where="post", color=ORANGE, linewidth=1.5)
    axes.plot(own, _accuracies(front), "D", color=ORANGE, label="no other beats it in both")
    if len(front) <= _MOST_FRONT_LABELS:
        for each in front:
            at = (each.cost or 0.0, each.accuracy or 0.0)
            axes.annotate(
                str(each.number), at, (-4, 6), textcoords="offset points", fontsize=8, color=INK, ha="right"
            )
    if min(costs) > 0 and max(costs) > 4 * min(costs):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")
    return figure


def _words(name: str) -> str:
    return name.replace("_", " ")


def _place(part: Range | Choice, value: Any) -> float:
    """On an axis of its own: the number itself, or which of the values it is."""
    return float(part.values.index(value)) if isinstance(part, Choice) else float(value)


def _height(part: Range | Choice, value: Any) -> float:
    """From 0, the lowest of the part, to 1."""
    if isinstance(part, Choice):
        return (part.values.index(value) + 0.5) / len(part.values)
    low, high, at = (math.log(each) if part.log else each for each in (part.low, part.high, float(value)))
    return (at - low) / (high - low)


def _marks(part: Range | Choice) -> list[tuple[float, str]]:
    if isinstance(part, Choice):
        return [(_height(part, value), _text(value)) for value in part.values]
    return [(0.0, _text(part.low)), (1.0, _text(part.high))]


def _scale(axes: Axes, part: Range | Choice) -> None:
    if isinstance(part, Choice):
        axes.set_xticks(range(len(part.values)), [_text(value) for value in part.values], fontsize=8)
        axes.set_xlim(-0.5, len(part.values) - 0.5)
    elif part.log:
        axes.set_xscale("log")
        axes.minorticks_off()
        marks = (part.low, math.sqrt(part.low * part.high), part.high)
        axes.set_xticks(marks, [f"{value:.2g}" for value in marks], fontsize=8)


def _text(value: Any) -> str:
    if value == "":
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace(",", ",\n").replace("$", r"\$")
