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
from convnets.core.storage.files import atomic_path, write_text
from convnets.errors import UsageError
from convnets.evaluation.plots.drawing import BLUE, INK, Names, style_axes, svg_text

__all__ = ["scatter_figure", "write_scatter"]

_LARGEST = 1500  # area of the largest disc, in points squared
_SMALLEST = 14
Disc = tuple[float, float, float]
"""Center and radius in pixels."""
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
            # letters that the pictures' font has; SVG leaves the font to whoever shows it
            labels = [name.encode("latin-1", "replace").decode("latin-1") for name in names.names]
            scatter_figure(found, labels).savefig(temporary, format="png", dpi=150, facecolor="white")
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
    ends = [1000 * end for point in points for end in (point.latency.low, point.latency.high)]
    for limit, values in ((axes.set_xlim, xs), (axes.set_ylim, ends)):
        room = 1.4 * (max(values) / min(values)) ** 0.14  # for discs and labels
        limit(min(values) / room, max(values) * room)
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
    scale = axes.figure.dpi / 72
    centers = axes.transData.transform([(max(p.macs, 1), 1000 * p.latency.seconds) for p in points])
    discs = [(x, y, math.sqrt(area / math.pi) * scale) for (x, y), area in zip(centers, areas, strict=True)]
    taken = [
        Bbox.from_extents(x - 5 * scale, y - 5 * scale, x + 5 * scale, y + 5 * scale) for x, y in centers
    ]

    def cost(box: Bbox, own: Disc) -> float:
        """What it covers, in pixels squared, and half the label where another disc is nearer than its own."""
        covered = sum(_overlap(box, other) for other in taken) + _outside(box, axes)
        nearest = min((_gap(box, disc) for disc in discs if disc is not own), default=math.inf)
        doubtful = nearest < _gap(box, own) + 2 * scale
        return covered + (0.5 * float(box.width * box.height) if doubtful else 0.0)

    for disc, label in sorted(zip(discs, labels, strict=True), key=lambda each: -each[0][2]):
        width, height = 5.2 * scale * len(label), 10 * scale
        boxes = list(_places(disc[0], disc[1], disc[2] + 4 * scale, width, height))
        best = min(boxes, key=partial(cost, own=disc))
        taken.append(best)
        if _gap(best, disc) > 6 * scale:  # not beside its disc: a line says whose it is
            ends = axes.transData.inverted().transform([_nearest(best, disc), disc[:2]])
            axes.plot(*ends.T, color=INK, linewidth=0.6, zorder=1)
        left, bottom = axes.transData.inverted().transform((best.x0, best.y0 + 0.25 * height))
        axes.text(left, bottom, label, fontsize=8.5, color=INK, parse_math=False)


def _places(x: float, y: float, away: float, width: float, height: float) -> Iterator[Bbox]:
    """Boxes around a disc, near ones first."""
    for distance in (away, away * 1.6, away * 2.4):
        for cosine, sine in _DIRECTIONS:
            center_x = x + cosine * distance + (cosine if abs(cosine) > 0.1 else 0) * width / 2
            center_y = y + sine * (distance + height / 2)
            yield Bbox.from_bounds(center_x - width / 2, center_y - height / 2, width, height)


def _nearest(box: Bbox, disc: Disc) -> tuple[float, float]:
    """The point of a box that is nearest to a disc's center."""
    x, y, _ = disc
    return min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)


def _gap(box: Bbox, disc: Disc) -> float:
    """Pixels between a box and a disc; negative where they overlap."""
    return math.dist(_nearest(box, disc), disc[:2]) - disc[2]


def _overlap(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)


def _outside(box: Bbox, axes: Axes) -> float:
    inside = Bbox.intersection(box, axes.bbox)
    area = float(box.width * box.height)
    return 10 * (area if inside is None else area - float(inside.width * inside.height))
