"""Study: what every study returns: numbers, words, and a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.shown import Shown

__all__ = ["Study"]


class Study(Shown):
    """A frozen dataclass of numbers and arrays with a figure."""

    title = "Study"

    def draw(self, path: Path | str) -> Path:
        """Write the picture as PNG, SVG or HTML, by the ending; returns the path."""
        return write_figure(path, self.figure(), self.title, str(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; arrays become lists."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def __repr__(self) -> str:
        return str(self)  # not the arrays, which fill a screen
