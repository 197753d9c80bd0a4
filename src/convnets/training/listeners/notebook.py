"""The notebook: one live figure, updated in place as SVG, that is still there when the notebook is saved."""

from __future__ import annotations

import time
from typing import Any

from convnets.training.events import EpochEnded, Event, RunEnded

__all__ = ["Notebook"]


class Notebook:
    """Curves of the run, redrawn at most once a second through a display handle, so that nothing flickers."""

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self._rows: list[dict[str, Any]] = []
        self._handle: Any = None
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            self._rows.append(event.to_dict())
            if time.monotonic() - self._drawn >= self.interval:
                self._draw()
        elif isinstance(event, RunEnded) and self._rows:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import SVG, display

        from convnets.evaluation.plots import curves_svg  # with matplotlib: nobody else is to wait for it

        figure = SVG(data=curves_svg(self._rows))
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        self._drawn = time.monotonic()
