"""Health as a strip chart: one strip for each measure, over the depth of the network; several networks or epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from convnets.core.storage.files import atomic_path, write_text
from convnets.errors import UsageError
from convnets.evaluation.plots.drawing import BLUE, GRID, INK, LINE_COLORS, ORANGE, style_axes, svg_text
from convnets.inspection.health.record import BatchNormHealth, LayerHealth, NetworkHealth, spread_of

__all__ = ["check_ending", "health_figure", "health_svg", "write_health_chart"]

Records = Mapping[str, NetworkHealth]
_NAMED_LAYERS = 24  # more names than this do not fit below the chart
_LETTERS = 90  # that fit side by side; more are turned upright
_USUAL_UPDATE = 1e-3
_ENDINGS = (".png", ".svg", ".pdf")


def health_figure(records: Records, *, in_order: bool = False) -> Figure:
    """Strips over the layers with weights: spread of activations, dead or saturated share, gradient, update.

    Args:
        records: what to call each → its health. One network gets the names of its layers, and a strip of γ and β where
            it has batch norms.
        in_order: the records are epochs of one run: colors go from light to dark instead of telling them apart.

    A strip that nothing is known for is left out; a value of 0 stands at the lower edge of its strip. Raises
    UsageError where there is nothing to draw.
    """
    strips = [strip for strip in _STRIPS if any(_points(each, strip[1]) for each in records.values())]
    if not strips:
        raise UsageError("no layer was measured; give a network with layers that have weights or activations")
    last = list(records.values())[-1]
    norms = last.batch_norms if in_order or len(records) == 1 else ()
    count = len(strips) + bool(norms)
    figure = Figure(figsize=(8.4, 1.75 * count + 0.7), layout="constrained")
    axes = figure.subplots(count, 1, squeeze=False)[:, 0]
    lines = _lines(records, in_order=in_order)
    for place, (title, value, scale) in enumerate(strips):
        _draw_strip(axes[place], title, scale, [(*line, _points(each, value)) for line, each in lines])
        axes[place].sharex(axes[0])
        axes[place].tick_params(labelbottom=place == len(strips) - 1)
    _name_layers(axes[len(strips) - 1], last, one=len(records) == 1 or in_order)
    if len(records) > 1 and not in_order:
        axes[0].legend(
            frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1, 0.5)
        )
    elif in_order and len(records) > 1:
        names = list(records)
        axes[0].set_title(f"light: {names[0]}, dark: {names[-1]}", loc="right", fontsize=9, color=INK, pad=10)
    if norms:
        _draw_norms(axes[-1], norms)
    return figure


def health_svg(records: Records, *, in_order: bool = False) -> str:
    """`health_figure` as an `<svg>` element for a page."""
    return svg_text(health_figure(records, in_order=in_order), f"Health of {', '.join(list(records)[:3])}")


def check_ending(path: Path) -> None:
    """Raise UsageError unless `write_health_chart` knows what kind of file `path` is to be."""
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(f"{path.name} ends in {path.suffix or 'nothing'!r}; allowed: {', '.join(_ENDINGS)}")


def write_health_chart(path: Path | str, records: Records, *, in_order: bool = False) -> Path:
    """`health_figure` as a file: PNG, SVG or PDF by its ending; returns the path."""
    path = Path(path)
    check_ending(path)
    if path.suffix.lower() == ".svg":
        write_text(path, health_svg(records, in_order=in_order))
        return path
    figure = health_figure(records, in_order=in_order)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=144, facecolor="white")
    return path


def _lines(records: Records, *, in_order: bool) -> list[tuple[tuple[str, str, str], NetworkHealth]]:
    """Name, color and style of each record."""
    lines = []
    for place, (name, record) in enumerate(records.items()):
        age = (place + 1) / len(records)
        color = _faded(BLUE, age) if in_order else LINE_COLORS[place % len(LINE_COLORS)]
        style = "-" if in_order else ("-", "--", ":")[place // len(LINE_COLORS) % 3]
        lines.append(((_plain(name), color, style), record))
    return lines


def _faded(color: str, strength: float) -> str:
    """The color mixed with white; all of it at strength 1, a quarter at 0."""
    share = 0.25 + 0.75 * strength
    parts = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)


def _draw_strip(
    axes: Axes, title: str, scale: str, lines: Sequence[tuple[str, str, str, dict[int, float]]]
) -> None:
    style_axes(axes, title, "")
    positive = [value for _, _, _, points in lines for value in points.values() if value > 0] or [1.0]
    low = min(positive)  # 0 has no place on a logarithmic axis: it is drawn below everything else
    for name, color, style, points in lines:
        marker = "o" if len(points) <= 40 else ""
        drawn = (
            list(points.values()) if scale == "share" else [max(value, low / 3) for value in points.values()]
        )
        axes.plot(list(points), drawn, style, color=color, lw=1.8, marker=marker, markersize=3.5, label=name)
    if scale == "share":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        return
    axes.set_yscale("log")
    known = [*positive, *([low / 3] if len(positive) < sum(len(points) for _, _, _, points in lines) else [])]
    if title.startswith("Update"):
        axes.axhline(_USUAL_UPDATE, color=INK, lw=1, linestyle=(0, (4, 3)))
        known.append(_USUAL_UPDATE)
    middle, ratio = (min(known) * max(known)) ** 0.5, max(known) / min(known)
    reach = max(1.6 * ratio**0.5, 5)  # a strip spans a decade at least
    axes.set_ylim(middle / reach, middle * reach)
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e-0", "e-")))
    axes.yaxis.set_minor_locator(NullLocator())


def _name_layers(axes: Axes, record: NetworkHealth, *, one: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    named = {layer.number: layer.name for layer in record.layers if layer.has_weights}
    if one and 0 < len(named) <= _NAMED_LAYERS:
        _set_names(axes, list(named), list(named.values()))
    else:
        axes.set_xlabel("layer with weights, in the order in which they run", fontsize=9, color=INK)


def _set_names(axes: Axes, places: Sequence[int], names: Sequence[str]) -> None:
    axes.set_xticks(places, [_plain(name) for name in names], parse_math=False)
    if max(map(len, names)) * len(names) > _LETTERS:
        for label in axes.get_xticklabels():
            label.set(rotation=90, fontsize=8)


def _draw_norms(axes: Axes, norms: Sequence[BatchNormHealth]) -> None:
    """Of each batch norm γ and β side by side: a line from least to largest, a bar over the quartiles, the median."""
    style_axes(axes, "Batch norm: γ (scale), blue, and β (shift), orange", "")
    for place, norm in enumerate(norms, start=1):
        for shift, color, values in ((-0.08, BLUE, norm.gamma), (0.08, ORANGE, norm.beta)):
            finite = tuple(value for value in values if math.isfinite(value))
            if (spread := spread_of(finite)) is None:
                continue
            low, lower, middle, upper, high = spread
            axes.plot([place + shift] * 2, [low, high], color=color, lw=1)
            axes.plot(
                [place + shift] * 2, [lower, upper], color=color, lw=5, solid_capstyle="butt", alpha=0.55
            )
            axes.plot([place + shift], [middle], "o", color=color, markersize=3.5)
    axes.axhline(0, color=GRID, lw=1.2)
    if len(norms) <= _NAMED_LAYERS:
        _set_names(axes, range(1, len(norms) + 1), [norm.name for norm in norms])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("batch norm, in the network's order", fontsize=9, color=INK)


def _points(record: NetworkHealth, value: Callable[[LayerHealth], float | None]) -> dict[int, float]:
    """Layer number → value; of several outputs at one number, the last."""
    known = {layer.number: found for layer in record.layers if (found := value(layer)) is not None}
    return {number: found for number, found in known.items() if math.isfinite(found)}


def _inactive(layer: LayerHealth) -> float | None:
    shares = [share for share in (layer.dead, layer.saturated) if share is not None]
    return max(shares) if shares else None


def _of_weights(measure: str) -> Callable[[LayerHealth], float | None]:
    def value(layer: LayerHealth) -> float | None:
        found: float | None = getattr(layer, measure) if layer.has_weights else None
        return found

    return value


def _plain(name: str) -> str:
    """The name with ? for signs that matplotlib's font lacks; a leading underscore would hide it from the legend."""
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return "".join(sign if ord(sign) in known else "?" for sign in name).replace("_", " _", name[:1] == "_")


# title, value of a layer, scale of its axis
_STRIPS: tuple[tuple[str, Callable[[LayerHealth], float | None], str], ...] = (
    ("Spread of what the next layer gets", lambda layer: layer.spread, "log"),
    ("Spread over images, as a share of it", lambda layer: _image_share(layer), "log"),
    ("Dead units, or saturated outputs", _inactive, "share"),
    ("Gradient of the weights, norm", _of_weights("gradient"), "log"),
    ("Update of the weights by one step, as a share; dashed: the usual", _of_weights("update"), "log"),
)


def _image_share(layer: LayerHealth) -> float | None:
    return layer.image_spread / layer.spread if layer.image_spread is not None and layer.spread else None
