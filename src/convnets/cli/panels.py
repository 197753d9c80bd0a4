"""`--help` in panels: what most runs need comes first, rare options after it; plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

__all__ = ["PANELS", "PanelCommand", "panel_of"]

PANELS: dict[str, tuple[str, ...]] = {
    "Network": ("model", "start", "recipe", "freeze", "freeze_epochs", "backbone_rate"),
    "Data": ("data", "augment", "size", "validation"),
    "Optimization": ("epochs", "batch_size", "optimizer", "learning_rate", "schedule"),
    "Regularization": ("weight_decay", "label_smoothing"),
    "Hardware": ("device", "precision", "amp"),
    "Run": ("name", "output", "resume", "config", "seed", "json", "quiet", "help"),
    "Rare: network": ("set_", "initializer", "auxiliary_weight", "channels"),
    "Rare: vectors in place of classes": (
        "objective",
        "margin",
        "distance",
        "miner",
        "images_per_class",
        "classification_weight",
        "pooling",
    ),
    "Rare: unequal classes": ("class_weights", "balanced_sampling", "logit_adjustment"),
    "Rare: tables in place of images": (
        *("target", "loss", "quantiles", "numeric", "categorical", "dates", "drop", "bins"),
        *("encoding", "delimiter", "decimal", "thousands", "date_format"),
    ),
    "Rare: series in place of images": (
        *("series", "window", "horizon", "stride", "gap", "period", "by", "rate", "length"),
    ),
    "Rare: data": (
        "mixup",
        "cutmix",
        "balanced_validation",
        "calibration",
        "normalize",
        "memory_limit",
        "workers",
        "skip_corrupt",
    ),
    "Rare: optimization": (
        "momentum",
        "nesterov",
        "bias_rate",
        "warmup_epochs",
        "step_epochs",
        "step_factor",
        "clip_gradient_norm",
        "accumulate",
        "patience",
        "max_minutes",
        "non_finite",
    ),
    "Rare: regularization": ("l1_penalty", "l2_penalty", "max_norm", "ema_decay"),
    "Rare: hardware": ("threads", "fast", "deterministic", "sync_bn", "rank_timeout"),
    "Rare: run": ("save_every", "save_epochs", "keep_states", "health"),
}
"""Every argument and option of `convnets train`, where the help shows it."""

_UNSHOWN = ("--optimiser", "--initialiser", "--normalise", "--no-normalise")
_WIDTH = 27  # of the column of names; longer ones get a line of their own


def panel_of(name: str) -> str:
    """The panel that an option stands in."""
    return next(panel for panel, names in PANELS.items() if name in names)


class PanelCommand(TyperCommand):
    """A command whose options are shown by panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write each panel under its name, options in the order of the table; first what this command alone has."""
        shown = {str(parameter.name): parameter for parameter in self.get_params(ctx)}
        known = {name for names in PANELS.values() for name in names}
        own = [_row(parameter, ctx) for name, parameter in shown.items() if name not in known]
        if own:
            with formatter.section("This command"):
                formatter.write_dl(own, col_max=_WIDTH, col_spacing=2)
        for panel, names in PANELS.items():
            rows = [_row(shown[name], ctx) for name in names if name in shown]
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows, col_max=_WIDTH, col_spacing=2)


def _row(parameter: Any, ctx: Any) -> tuple[str, str]:
    """Names and help of an option, without spellings that differ in a letter."""
    names, text = parameter.get_help_record(ctx) or (str(parameter.name), "")
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or names), text
    first = _spelled(parameter.opts, parameter.secondary_opts)
    return first + (f" {parameter.metavar}" if parameter.metavar else ""), text


def _spelled(on: Sequence[str], off: Sequence[str]) -> str:
    shown = sorted((each for each in on if each not in _UNSHOWN), key=lambda each: each.startswith("--"))
    return ", ".join(shown) + "".join(f"/{each}" for each in off if each not in _UNSHOWN)
