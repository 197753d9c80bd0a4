"""A trained model as a notebook shows it: what it takes, what it tells apart, and what was measured."""

from __future__ import annotations

from typing import Any

from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.html.kit import card, facts

__all__ = ["model_html"]

_CLASSES_SHOWN = 20


def model_html(model: TrainedModel) -> str:
    """The card of a trained model."""
    preprocess = model.preprocess
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    names = ", ".join(model.classes[:_CLASSES_SHOWN])
    more = f" … ({len(model.classes):,} in all)" if len(model.classes) > _CLASSES_SHOWN else ""
    values: dict[str, object] = {
        "input": f"{preprocess.channels} × {preprocess.size} × {preprocess.size}, "
        f"short side scaled to {preprocess.resize}",
        "normalized by": f"mean {_rounded(preprocess.mean)}, spread {_rounded(preprocess.std)}",
        "classes": names + more,
    }
    if model.architecture is not None:
        arguments = model.architecture["arguments"].items()
        values["built with"] = ", ".join(f"{name}={value}" for name, value in arguments)
    for name, value in model.metrics.items():
        values[name.replace("_", " ")] = _figures(value) if isinstance(value, dict) else value
    return card(f"{model.name}, {parameters:,} parameters", facts(values))


def _rounded(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _figures(values: dict[str, Any]) -> str:
    """The numbers of what was measured; config.json in the folder says how."""
    shown = []
    for name, value in values.items():
        if isinstance(value, int | float):
            words = f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
            shown.append(f"{name.replace('_', ' ')} {words}")
    return ", ".join(shown)
