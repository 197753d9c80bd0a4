"""Notebook: the studio on a run, in a frame below a cell."""

from __future__ import annotations

import importlib.util
from typing import Any
from urllib.parse import quote

from convnets.core.display.text import plain_text
from convnets.core.html.kit import render
from convnets.errors import UsageError
from convnets.training.runs.run import Run

__all__ = ["StudioFrame", "needed_by_studio", "studio_frame"]

_NEEDED = ("fastapi", "uvicorn")
_FRAME = '<iframe src="{{ address }}" width="100%" height="{{ height }}" title="{{ title }}"></iframe>'


def needed_by_studio() -> None:
    """Raise UsageError where what the studio stands on is not installed."""
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"the studio needs {', '.join(lacking)}; install it with: pip install 'convnets[studio]'"
        )


class StudioFrame:
    """What a notebook shows; elsewhere its address can be opened in a browser."""

    def __init__(self, address: str, title: str, height: int) -> None:
        self.address, self.title, self.height = address, title, height

    def __repr__(self) -> str:
        return f"StudioFrame({self.address})"

    def _repr_html_(self) -> str:
        return str(render(_FRAME, address=self.address, height=self.height, title=plain_text(self.title)))


def studio_frame(run: Run, height: int = 900) -> Any:
    """Start a studio beside the notebook and show it on `run`. Raises UsageError as `needed_by_studio` does."""
    needed_by_studio()
    if not 200 <= height <= 10_000:
        raise UsageError(f"height is {height}; allowed: 200 to 10000 pixels")
    from convnets.studio.server import StudioSettings, serve_beside

    address = serve_beside(StudioSettings(folder=run.path))
    return StudioFrame(f"{address}&run={quote(run.name)}", f"the studio on {run.name}", height)
