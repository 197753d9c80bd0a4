"""Attributions: a list of maps that shows itself as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from convnets.core.html.kit import card, note, white
from convnets.errors import InputError
from convnets.evaluation.plots.drawing import svg_text
from convnets.explanation.attribution.attribution import Attribution
from convnets.explanation.attribution.drawing import attribution_grid
from convnets.explanation.attribution.report import write_reports
from convnets.explanation.pictures.figure_file import write_figure

__all__ = ["Attributions"]

_SHOWN = 12  # in a notebook and a figure


class Attributions(list[Attribution]):
    """One for each image, or for each image and layer where several layers were asked for."""

    def to_dict(self, *, arrays: bool = True) -> list[dict[str, Any]]:
        """Plain values for JSON."""
        return [each.to_dict(arrays=arrays) for each in self]

    def figure(self) -> Figure:
        """A row for each picture, of the first dozen maps. Raises InputError where there is none."""
        if not self:
            raise InputError("there is no attribution to draw; give at least one picture")
        return attribution_grid(self[:_SHOWN]).figure()

    def save(self, path: Path | str) -> Path:
        """Write .png or .svg, of the first dozen maps, or .html, a page for each picture; returns the first path.

        Pages of several pictures are `why-1.html`, `why-2.html` … where `path` is `why.html`.
        """
        if Path(path).suffix.lower() == ".html":
            return write_reports(path, self)[0]
        return write_figure(path, self.figure(), f"{len(self)} attributions")

    def _repr_html_(self) -> str:
        if not self:
            return card("no attributions")
        more = [note(f"… and {len(self) - _SHOWN:,} more")] if len(self) > _SHOWN else []
        svg = svg_text(self.figure(), f"{len(self)} attributions")
        return card("", white(svg), *more)

    def __str__(self) -> str:
        return "\n".join(map(str, self))
