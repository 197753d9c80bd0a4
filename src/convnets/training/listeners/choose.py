"""Which listener fits the place that training was started from."""

from __future__ import annotations

import sys

from convnets.training.events import Listener
from convnets.training.listeners.notebook import Notebook
from convnets.training.listeners.terminal import Terminal

__all__ = ["default_listeners"]


def default_listeners() -> tuple[Listener, ...]:
    """A live figure in a notebook's kernel, rows elsewhere."""
    return (Notebook(),) if _in_notebook() else (Terminal(),)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")  # a notebook's kernel has imported it already; nobody else pays for it
    instance = shell.get_ipython() if shell is not None else None
    return type(instance).__name__ in ("ZMQInteractiveShell", "Shell")
