"""Shown: a record that shows its figure at the end of a notebook's cell."""

from __future__ import annotations

from abc import ABC, abstractmethod

from matplotlib.figure import Figure

from convnets.core.html.kit import card, white
from convnets.evaluation.plots.drawing import svg_text

__all__ = ["Shown"]


class Shown(ABC):
    """What has a figure; in a notebook that is what it looks like, on white, since its colors are made for that."""

    @abstractmethod
    def figure(self) -> Figure:
        """The picture; letters are letters in SVG."""

    def _repr_html_(self) -> str:
        svg = svg_text(self.figure(), f"{type(self).__name__} of a network")
        return card("", white(svg))
