"""Options of a run as a notebook shows them: those that were chosen, and all on demand."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from convnets.core.html.kit import Markup, card, details, paragraph, table
from convnets.training.config import TrainConfig

__all__ = ["chosen_options", "config_html"]


def config_html(config: TrainConfig) -> str:
    """The card of a `TrainConfig`."""
    return card("TrainConfig", chosen_options(config))


def chosen_options(config: TrainConfig) -> Markup:
    """A table of the options that are not what they are by default, and all of them on demand."""
    values = {field.name: (getattr(config, field.name), field.default) for field in fields(config)}
    chosen = {name: pair for name, pair in values.items() if pair[0] != pair[1]}
    head = ("option", "value", "by default")
    first = table(head, _rows(chosen)) if chosen else paragraph("every option is as it is by default")
    return first + details(f"all {len(values)} options", table(head, _rows(values)))


def _rows(values: dict[str, tuple[Any, Any]]) -> list[list[str]]:
    return [[name, _shown(value), _shown(usual)] for name, (value, usual) in values.items()]


def _shown(value: Any) -> str:
    match value:
        case None | ():
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
