"""The chart of a comparison: horizontal bars of images per second, one group for each network."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from convnets.benchmarking.result import OWN, BenchResult, Comparison, in_figures, times
from convnets.evaluation.plots.drawing import BLUE, INK, LINE_COLORS, ORANGE, style_axes, svg_text

__all__ = ["bench_figure", "bench_svg"]

_COLORS = {OWN: BLUE, "compiled": LINE_COLORS[3], "hand-tuned": LINE_COLORS[2], "standard": ORANGE}
_NAMES = {
    OWN: "convnets",
    "compiled": "compiled PyTorch",
    "hand-tuned": "hand-tuned PyTorch",
    "standard": "the standard loop",
}
_BARS = {
    1: 0.5,
    2: 0.36,
    3: 0.26,
    4: 0.2,
}  # thickness by the number of sides, in distances between two networks


def bench_svg(result: BenchResult) -> str:
    """The chart as SVG text."""
    return svg_text(bench_figure(result), "Images per second by network and loop")


def bench_figure(result: BenchResult) -> Figure:
    """Training, and inference beside it where it was measured; the axis is logarithmic, ratios stand at our bars."""
    kinds = [kind for kind in ("training", "inference") if any(c.sides(kind) for c in result.comparisons)]
    sides = max(len(c.sides(kind)) for c in result.comparisons for kind in kinds)
    height = 1.3 + len(result.comparisons) * (0.22 + 0.2 * sides)
    figure = Figure(figsize=(6.0 * len(kinds), height), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        _draw_kind(axes, result, kind, _BARS[sides])
    handles, labels = panels[0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(
            handles,
            labels,
            loc="outside lower left",
            ncols=len(labels),
            frameon=False,
            fontsize=9,
            labelcolor=INK,
        )
    return figure


def _draw_kind(axes: Axes, result: BenchResult, kind: str, bar: float) -> None:
    style_axes(axes, kind.capitalize(), "images per second, logarithmic")
    axes.set_xscale("log")
    axes.grid(False, axis="y")
    speeds = [side.images_per_second for c in result.comparisons for side in c.sides(kind)]
    named: set[str] = set()
    for place, comparison in enumerate(result.comparisons):
        sides = comparison.sides(kind)
        for index, side in enumerate(sides):
            y = place + (index - (len(sides) - 1) / 2) * bar
            label = _NAMES[side.name] if side.name not in named else None
            named.add(side.name)
            axes.barh(y, side.images_per_second, bar * 0.9, color=_COLORS[side.name], label=label)
            axes.text(
                side.images_per_second * 1.08,
                y,
                in_figures(side.images_per_second) + (_ratios(comparison, kind) if side.name == OWN else ""),
                va="center",
                fontsize=8,
                color=INK,
            )
    axes.set_yticks(range(len(result.comparisons)), [c.workload.network for c in result.comparisons])
    axes.set_ylim(len(result.comparisons) - 0.4, -0.6)
    room = 40 if len(named) > 1 else 5  # for the words at the longest bar
    axes.set_xlim(min(speeds) / 3, max(speeds) * room)
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    )


def _ratios(comparison: Comparison, kind: str) -> str:
    ratios = comparison.ratios(kind)
    return "".join(f" · {times(ratio.median)} {name}" for name, ratio in ratios.items())
