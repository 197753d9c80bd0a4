"""Distance concentration: with many independent numbers all vectors are about as far from each other.

Then the nearest neighbor is hardly nearer than the farthest, and a distance says little. N vectors, D numbers each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convnets.core.seeds import generator_for
from convnets.errors import ConfigError, InputError
from convnets.evaluation.distances import Distance, pairwise_distances, refuse_negative

__all__ = ["DistanceConcentration", "concentration_svg", "distance_concentration", "random_concentration"]

_QUERIES = 200


@dataclass(frozen=True)
class DistanceConcentration:
    """How much the distances of a set differ: means over queries, each against all other vectors."""

    dimensions: int
    vectors: int
    contrast: float
    """(farthest − nearest) / nearest; where it is near 0 no neighbor stands out."""
    spread: float
    """Standard deviation of the distances divided by their mean."""
    nearest: float
    """The nearest distance, as a multiple of the query's mean distance."""
    farthest: float
    """The farthest, likewise."""


def distance_concentration(
    vectors: Tensor, distance: str | Distance = "euclidean", *, queries: int = _QUERIES, seed: int = 0
) -> DistanceConcentration:
    """Measure float N×D `vectors`: `queries` of them, drawn by `seed`, against all others.

    Sources: Beyer et al. 1999, "When is nearest neighbor meaningful?"; Aggarwal, Hinneburg & Keim 2001, "On the
    surprising behavior of distance metrics in high dimensional space", whose relative contrast this is. Copies of a
    query, at distance 0, are left out. Raises InputError for fewer than 3 vectors, or where all are equal.

    >>> distance_concentration(torch.tensor([[0.0], [1.0], [3.0]])).dimensions
    1
    """
    if vectors.ndim != 2 or len(vectors) < 3:
        raise InputError(f"vectors have shape {tuple(vectors.shape)}; allowed: N×D with N ≥ 3")
    chosen = torch.randperm(len(vectors), generator=generator_for(seed, "queries"))[:queries]
    distances = pairwise_distances(vectors[chosen].float(), vectors.float(), distance)
    if callable(distance):
        refuse_negative(distances, "a ratio of distances")
    distances[torch.arange(len(chosen)), chosen] = 0
    others = distances > 0
    some = others.sum(1) > 1
    if not bool(some.any()):
        raise InputError(f"{len(vectors)} vectors are all equal; allowed: vectors that differ")
    distances, others = distances[some].double(), others[some]
    count = others.sum(1)
    mean = distances.sum(1) / count
    deviation = torch.where(others, (distances - mean[:, None]).square(), 0).sum(1).div(count).sqrt()
    nearest = distances.masked_fill(~others, torch.inf).amin(1)
    farthest = distances.amax(1)
    figures = ((farthest - nearest) / nearest, deviation / mean, nearest / mean, farthest / mean)
    return DistanceConcentration(
        vectors.shape[1], len(vectors), *(float(values.mean()) for values in figures)
    )


def random_concentration(
    dimensions: Sequence[int], points: int = 1000, distance: str | Distance = "euclidean", *, seed: int = 0
) -> tuple[DistanceConcentration, ...]:
    """The same for `points` vectors of independent numbers, uniform from 0 to 1, at each number of dimensions.

    >>> near, far = random_concentration([2, 500], points=200)
    >>> near.contrast > 10 * far.contrast
    True
    """
    if points < 3 or any(each < 1 for each in dimensions):
        raise ConfigError(f"{points} points in {list(dimensions)} dimensions; allowed: from 3, from 1")
    return tuple(
        distance_concentration(
            torch.rand(points, each, generator=generator_for(seed, "points", each)), distance, seed=seed
        )
        for each in dimensions
    )


def concentration_svg(
    random: Sequence[DistanceConcentration], measured: Mapping[str, DistanceConcentration] | None = None
) -> str:
    """Nearest and farthest distance, and their relative contrast, over the dimensions, as SVG text.

    `measured` are sets of descriptors by name, drawn as points where their number of dimensions is.

    >>> concentration_svg(random_concentration([2, 8], points=50))[:5]
    '<svg '
    """
    from matplotlib.figure import Figure

    from convnets.evaluation.plots.drawing import BLUE, INK, LINE_COLORS, Names, style_axes, svg_text

    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    style_axes(left, "Distances, as multiples of their mean", "dimensions")
    style_axes(right, "Relative contrast (farthest − nearest) / nearest", "dimensions")
    x = [each.dimensions for each in random]
    low, high = [each.nearest for each in random], [each.farthest for each in random]
    left.fill_between(x, low, high, color=BLUE, alpha=0.18, linewidth=0)
    left.plot(x, high, color=BLUE, linewidth=2)
    left.plot(x, low, color=BLUE, linewidth=2)
    for text, value, rise in (("farthest", high[-1], 5), ("nearest", low[-1], -12)):
        left.annotate(
            text,
            (x[-1], value),
            (0, rise),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            color=INK,
        )
    left.set_ylim(bottom=0)
    right.plot(x, [each.contrast for each in random], color=BLUE, linewidth=2, label="independent numbers")
    named = dict(measured or {})
    names = Names(list(named), longest=30)
    for place, (each, label) in enumerate(zip(named.values(), names.placeholders(), strict=True)):
        style: dict[str, Any] = {"color": LINE_COLORS[(place + 1) % len(LINE_COLORS)], "markersize": 7}
        right.plot([each.dimensions], [each.contrast], "o", label=label, **style)
        left.plot([each.dimensions] * 2, [each.nearest, each.farthest], "o-", linewidth=1.5, **style)
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.xaxis.set_major_formatter("{x:g}")
    right.yaxis.set_major_formatter("{x:g}")
    right.legend(frameon=False, fontsize=9, labelcolor=INK)
    return svg_text(figure, "Distance concentration by dimension", names)
