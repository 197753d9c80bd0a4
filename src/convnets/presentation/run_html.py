"""A run as a notebook shows it: what was trained, what it reached, its epochs, and its curves on demand."""

from __future__ import annotations

from typing import Any

from convnets.core.html.kit import card, details, facts, note, plot, table
from convnets.evaluation.plots.figures import curves_svg
from convnets.training.runs.run import Run

__all__ = ["run_html"]

_EPOCHS_SHOWN = 20
_HEAD = (
    "epoch",
    "train loss",
    "train accuracy",
    "validation loss",
    "validation accuracy",
    "images/s",
    "seconds",
)
_COLUMNS = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def run_html(run: Run) -> str:
    """The card of a run. Of more than 20 epochs it shows every so many, the best and the last."""
    rows, settings = run.metrics, run.settings
    shown = _shown_epochs(rows)
    parts = [
        facts({"status": run.status, "parameters": f"{settings['network']['parameters']:,}", **_results(run)})
    ]
    if rows:
        best = _best(rows)
        cells = [_cells(row, row is best) for row in shown]
        parts.append(table(_HEAD, cells))
    if len(shown) < len(rows):
        parts.append(note(f"{len(shown)} of {len(rows)} epochs: the best, the last and some in between"))
    if len(rows) > 1:
        parts.append(details("curves", plot(curves_svg(rows))))
    return card(f"{run.name}: {run.network_name} on {run.data_name}", *parts, note(str(run.path)))


def _results(run: Run) -> dict[str, str]:
    """What the best weights reached, by data part."""
    found = {}
    for part in ("validation", "test"):
        figures = run.results.get(part)
        if isinstance(figures, dict):
            found[part] = ", ".join(
                f"{name.replace('_', ' ')} {value:.4f}"
                for name, value in figures.items()
                if isinstance(value, float)
            )
    return found


def _best(rows: list[dict[str, float | None]]) -> dict[str, float | None] | None:
    """The epoch whose weights were kept: each best one beat those before it."""
    return next((row for row in reversed(rows) if row["best"]), None)


def _shown_epochs(rows: list[dict[str, float | None]]) -> list[dict[str, float | None]]:
    if len(rows) <= _EPOCHS_SHOWN:
        return rows
    best = _best(rows)
    every = -(-len(rows) // (_EPOCHS_SHOWN - 2))
    return [row for place, row in enumerate(rows) if place % every == 0 or row is best or row is rows[-1]]


def _cells(row: dict[str, Any], is_best: bool) -> list[str]:
    figures = [_figure(row[column]) for column in _COLUMNS]
    if is_best and row["validation_accuracy"] is not None:
        figures[-1] += " ★"
    return [
        f"{row['epoch']:.0f}",
        *figures,
        _figure(row["images_per_second_wall"], 0),
        _figure(row["seconds"], 1),
    ]


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
