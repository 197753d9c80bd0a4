"""Which listener fits the place that training was started from."""

from __future__ import annotations

from convnets.core.display.live_picture import notebook_shell
from convnets.training.events import Listener
from convnets.training.listeners.notebook import Notebook
from convnets.training.listeners.terminal import Terminal

__all__ = ["default_listeners"]


def default_listeners() -> tuple[Listener, ...]:
    """A live picture in a notebook's kernel, rows elsewhere."""
    return (Notebook(),) if notebook_shell() is not None else (Terminal(),)
