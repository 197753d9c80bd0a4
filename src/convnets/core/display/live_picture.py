"""Live picture: shown once in a notebook, then updated in place while something runs."""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["LivePicture", "notebook_shell"]

_LARGEST_SHARE = 0.05  # of the time that passes, at most, goes into drawing


def notebook_shell() -> Any:
    """IPython's shell where a front end shows pictures (Jupyter, VS Code, Colab); None in scripts and terminals.

    >>> notebook_shell() is None
    True
    """
    ipython = sys.modules.get("IPython")  # a kernel has imported it already; nobody else pays for it
    shell = None if ipython is None else ipython.get_ipython()
    kinds = {kind.__name__ for kind in type(shell).__mro__}  # Colab's shell is a subclass
    return shell if "ZMQInteractiveShell" in kinds else None


class LivePicture:
    """A picture of a notebook: one output of one cell, whose content is exchanged.

    A front end exchanges the content of an output without moving anything, so nothing flickers, and what it saves is
    the last content. Drawing takes at most a twentieth of the time, so a request may wait: it is met by a later one,
    or at the latest when the cell ends, also by an error or an interruption. Outside of a notebook nothing is done.

    Args:
        draw: gives the picture as the text of an SVG document, and a line of text in its place.
        interval: seconds between two drawings, at least.
    """

    def __init__(self, draw: Callable[[], tuple[str, str]], interval: float = 0.25) -> None:
        self._draw, self._interval = draw, interval
        self._shell = notebook_shell()
        self._handle: Any = None
        self._next = 0.0
        self._waiting = False
        self.failure: Exception | None = None
        """Why the picture could not be drawn or shown; it is then left alone, and what was to be watched goes on."""

    def update(self, *, last: bool = False) -> None:
        """Draw and show; unless `last`, later when that was done just now."""
        if self._shell is None or self.failure is not None:
            return
        if last or time.monotonic() >= self._next:
            self._show()
        elif not self._waiting:
            self._waiting = True
            self._shell.events.register("post_run_cell", self._cell_ended)

    def _cell_ended(self, *_: object) -> None:
        self._show()

    def _show(self) -> None:
        if self._waiting:
            self._waiting = False
            self._shell.events.unregister("post_run_cell", self._cell_ended)
        start, first = time.monotonic(), self._handle is None
        try:
            self._exchange()
        except Exception as error:  # noqa: BLE001  hours of training must not end by a picture
            self.failure = error
            what = f"{type(error).__name__}: {error}"
            warnings.warn(f"the live picture is left as it is, it cannot be drawn ({what})", stacklevel=3)
        end = time.monotonic()
        cost = 0.0 if first else end - start  # the first drawing loads the libraries that draw
        self._next = end + max(self._interval, cost / _LARGEST_SHARE)

    def _exchange(self) -> None:
        display: Any = importlib.import_module("IPython.display").display  # there, where there is a shell
        svg, text = self._draw()
        content = {"image/svg+xml": svg, "text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
