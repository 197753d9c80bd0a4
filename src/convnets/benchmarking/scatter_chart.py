"""The picture of a scatter: MACs across, latency up, the area of a disc for the parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from convnets.benchmarking.scatter import Scatter, ScatterPoint
from convnets.core.files import atomic_path, write_text
from convnets.errors import UsageError
from convnets.evaluation.drawing import BLUE, INK, Names, style_axes, svg_text

__all__ = ["scatter_figure", "write_scatter"]

_LARGEST = 2200  # area of the largest disc, in points squared
_SMALLEST = 14
_DIRECTIONS = [(math.cos(angle), math.sin(angle)) for angle in (0, 1.57, 4.71, 3.14, 0.79, 5.5, 2.36, 3.93)]


def write_scatter(found: Scatter, path: Path) -> Path:
    """Write the picture as SVG or PNG, as the name ends; raises UsageError for another ending."""
    kind = path.suffix.lower()
    if kind not in (".svg", ".png"):
        raise UsageError(
            f"{path.name} ends in {kind or 'nothing'}; allowed: a name that ends in .png or .svg"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    names = Names([point.network for point in found.points], longest=24)
    if kind == ".svg":
        figure = scatter_figure(found, names.placeholders())
        write_text(path, svg_text(figure, "MACs, latency and parameters of networks", names))
    else:
        with atomic_path(path) as temporary:
            scatter_figure(found, names.names).savefig(temporary, format="png", dpi=150, facecolor="white")
    return path


def scatter_figure(found: Scatter, labels: Sequence[str]) -> Figure:
    """The figure, with a label for each point."""
    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = found.points
    style_axes(axes, "Work and time of one image", "MACs", "latency, ms")
    axes.set_xscale("log")
    axes.set_yscale("log")
    most = max(point.parameters for point in points) or 1
    areas = [max(_SMALLEST, _LARGEST * point.parameters / most) for point in points]
    xs, ys = [max(point.macs, 1) for point in points], [1000 * point.latency.seconds for point in points]
    low = [1000 * (point.latency.seconds - point.latency.low) for point in points]
    high = [1000 * (point.latency.high - point.latency.seconds) for point in points]
    axes.errorbar(xs, ys, yerr=[low, high], fmt="none", ecolor=INK, elinewidth=0.8, alpha=0.6)
    axes.scatter(xs, ys, s=areas, color=BLUE, alpha=0.35, linewidths=0)
    axes.scatter(xs, ys, s=10, color=BLUE)
    axes.margins(0.14)
    for axis, values in ((axes.xaxis, xs), (axes.yaxis, ys)):
        narrow = max(values) < 30 * min(values)
        axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_with_prefix))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    note = f"area: parameters, largest {_with_prefix(most, 0)} · bars: fastest to slowest round"
    figure.supxlabel(f"{note}\n{found.environment['hardware']}", x=0.01, ha="left", fontsize=8, color=INK)
    canvas.draw()  # type: ignore[no-untyped-call]  # the layout has to be settled before labels can go where there is room
    _write_labels(axes, points, areas, labels)
    return figure


def _with_prefix(value: float, _: object) -> str:
    """A count with k, M or G."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _write_labels(
    axes: Axes, points: Sequence[ScatterPoint], areas: Sequence[float], labels: Sequence[str]
) -> None:
    """Each label at the side of its disc where it covers least of what is there already."""
    centres = [
        axes.transData.transform((max(point.macs, 1), 1000 * point.latency.seconds)) for point in points
    ]
    scale = axes.figure.dpi / 72
    radii = [math.sqrt(area / math.pi) * scale for area in areas]
    taken = [
        Bbox.from_extents(x - 5 * scale, y - 5 * scale, x + 5 * scale, y + 5 * scale) for x, y in centres
    ]
    discs = [Bbox.from_extents(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii, strict=True)]

    def cost(box: Bbox, own: Bbox) -> float:
        """Other labels and centres weigh most; another disc beneath makes it doubtful whose label it is."""
        others = sum(_overlap(box, disc) for disc in discs if disc is not own)
        return sum(_overlap(box, other) for other in taken) + 0.4 * others + _outside(box, axes)

    for (x, y), radius, label, disc in sorted(
        zip(centres, radii, labels, discs, strict=True), key=lambda each: -each[1]
    ):
        width, height = 5.2 * scale * len(label), 10 * scale
        boxes = list(_places(x, y, radius + 4 * scale, width, height))
        best = min(boxes, key=partial(cost, own=disc))
        taken.append(best)
        near = (min(max(x, best.x0), best.x1), min(max(y, best.y0), best.y1))
        if math.dist(near, (x, y)) > radius + 6 * scale:  # not beside its disc: a line says whose it is
            ends = axes.transData.inverted().transform([near, (x, y)])
            axes.plot(*ends.T, color=INK, linewidth=0.6, zorder=1)
        left, bottom = axes.transData.inverted().transform((best.x0, best.y0 + 0.25 * height))
        axes.text(left, bottom, label, fontsize=8.5, color=INK, parse_math=False)


def _places(x: float, y: float, away: float, width: float, height: float) -> Iterator[Bbox]:
    """Boxes around a disc, near ones first."""
    for distance in (away, away * 1.6, away * 2.4):
        for cosine, sine in _DIRECTIONS:
            centre_x = x + cosine * distance + (cosine if abs(cosine) > 0.1 else 0) * width / 2
            centre_y = y + sine * (distance + height / 2)
            yield Bbox.from_bounds(centre_x - width / 2, centre_y - height / 2, width, height)


def _overlap(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)


def _outside(box: Bbox, axes: Axes) -> float:
    inside = Bbox.intersection(box, axes.bbox)
    area = float(box.width * box.height)
    return 10 * (area if inside is None else area - float(inside.width * inside.height))
