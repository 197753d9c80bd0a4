"""RowsCard: the README.md of a model of tables or series on the Hub, filled from the model folder and its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convnets.checkpoints.table_model import TableModel
from convnets.core.display.text import plain_text
from convnets.core.environment import versions
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.intervals import number_intervals
from convnets.series.series_encoder import SeriesEncoder
from convnets.series.series_set import SeriesSet
from convnets.serving.export.card_text import cell, code, listed, share_row, table
from convnets.serving.export.card_training import data_title, training_section
from convnets.serving.export.front_matter import front_matter
from convnets.serving.table_predictor import JudgedTable
from convnets.tables.column_encoders import Categories, Standardized
from convnets.tables.table_encoder import TableEncoder
from convnets.training.runs.run import Run

__all__ = ["RowsCard", "rows_card"]

_COLUMNS_SHOWN = 100
_CATEGORIES_SHOWN = 8
_NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R²"}


@dataclass(frozen=True, eq=False)
class RowsCard:
    """All that a card is made from."""

    model: TableModel
    run: Run | None = None
    """None for a model folder without its run: data and recipe are left out then."""
    judged: JudgedTable | None = None
    """What the written model said of the run's own rows, beside simple models; None where these are gone."""
    repository: str | None = None
    license: str | None = None

    @property
    def nouns(self) -> str:
        """What the examples are called."""
        if self.judged is not None:
            return self.judged.table.nouns
        return "series" if isinstance(self.model.encoder, SeriesEncoder) else "rows"

    @property
    def task(self) -> str:
        """As the Hub calls it."""
        if isinstance(self.model.encoder, SeriesEncoder) and not self.model.classes:
            return "time-series-forecasting"
        return f"tabular-{'classification' if self.model.classes else 'regression'}"


def rows_card(card: RowsCard) -> str:
    """README.md: front matter for the Hub, then the sections for people."""
    sections = {
        "Use": _use(card),
        "Input": _input(card.model),
        "Answers": _answers(card.model),
        f"{card.nouns.capitalize()} that it learned from": _data(card),
        "Training": ["The recipe is not recorded.", ""]
        if card.run is None
        else training_section(card.run, card.nouns),
        "Results": _results(card),
        "Limits": _limits(card),
        "License": _license(card),
    }
    on = "" if card.run is None else f" on {cell(data_title(card.run))}"
    lines = [front_matter(_front(card)), "", f"# {cell(card.model.name)}{on}", ""]
    for name, body in sections.items():
        lines += [f"## {name}", "", *body]
    return plain_text("\n".join(lines).rstrip() + "\n")


def _front(card: RowsCard) -> dict[str, Any]:
    front: dict[str, Any] = {} if card.license is None else {"license": card.license}
    front |= {
        "library_name": "convnets",
        "pipeline_tag": card.task,
        "tags": ["convnets", "pytorch", card.model.name],
        "metrics": ["accuracy"] if card.model.classes else ["rmse", "r_squared"],
    }
    figures = _figures(card)
    if card.run is None or not figures:
        return front
    data = data_title(card.run)
    kinds = {"accuracy": "accuracy", "rmse": "rmse", "r2": "r_squared"}
    metrics = [
        {"type": kind, "value": figures[key], "name": _NAMES.get(key, "Accuracy")}
        for key, kind in kinds.items()
        if figures.get(key) is not None
    ]
    result = {
        "task": {"type": card.task},
        "dataset": {"type": data, "name": data, "split": "validation"},
        "metrics": metrics,
    }
    return {**front, "model-index": [{"name": card.model.name, "results": [result]}]}


def _figures(card: RowsCard) -> dict[str, Any]:
    if card.judged is not None:
        return dict(next(iter(card.judged.figures.values())))
    found = card.model.metrics.get("validation")
    return dict(found) if isinstance(found, dict) else {}


def _use(card: RowsCard) -> list[str]:
    first = [] if card.repository is None else ["from huggingface_hub import snapshot_download", ""]
    folder = '"FOLDER"' if card.repository is None else f'snapshot_download("{card.repository}")'
    lines = [*first[:1], "from convnets import TablePredictor", ""]
    return [
        "```python",
        *lines,
        f"predictor = TablePredictor.load({folder})",
        'print(predictor.predict("new.csv")[0])',
        "```",
        "",
        f"This takes convnets {versions()['convnets']} or newer (not the package of that name on PyPI, which is "
        "another project). `model.safetensors` holds the weights, `config.json` the architecture, and how "
        "examples become its input and its answers are read.",
        "",
    ]


def _input(model: TableModel) -> list[str]:
    encoder = model.encoder
    if isinstance(encoder, SeriesEncoder):
        rows = [
            [cell(name), f"{mean:.6g}", f"{std:.6g}"]
            for name, mean, std in zip(encoder.channels, encoder.mean, encoder.std, strict=True)
        ]
        head = ("channel", "mean", "spread")
        return [
            f"{len(rows):,} channels of {encoder.length:,} steps, each standardized; a missing value is the mean.",
            "",
            *table(head, rows[:_COLUMNS_SHOWN]),
            "",
        ]
    assert isinstance(encoder, TableEncoder)
    rows = [_column(each) for each in encoder.columns[:_COLUMNS_SHOWN]]
    more = len(encoder.columns) - len(rows)
    numbers = f"{len(encoder.features):,} numbers"
    return [
        f"{len(encoder.columns):,} columns, found by name, in any order; they become {numbers}.",
        "",
        *table(("column", "holds", "in training", "where missing"), rows),
        "",
        *([f"And {more:,} more, in `config.json`.", ""] if more else []),
    ]


def _column(column: Any) -> list[str]:
    if isinstance(column, Categories):
        names = listed(column.categories, _CATEGORIES_SHOWN)
        return [cell(column.name), "category", names, "a category of its own"]
    if isinstance(column, Standardized):
        if column.kind == "date":
            mean, median = (str(np.datetime64(round(days), "D")) for days in (column.mean, column.median))
            return [cell(column.name), "date", f"mean {mean}, spread {column.std:.6g} days", median]
        shown = f"mean {column.mean:.6g}, spread {column.std:.6g}"
        return [cell(column.name), column.kind, shown, f"{column.median:.6g}"]
    shown = f"{len(column.edges) - 1} bins from {column.edges[0]:.6g} to {column.edges[-1]:.6g}"
    return [cell(column.name), column.kind, shown, "a bin of its own"]


def _answers(model: TableModel) -> list[str]:
    target = model.target
    if model.classes:
        names = listed(model.classes, 50)
        return [f"{cell(target.names[0])}, one of {len(model.classes):,} classes: {names}.", ""]
    learned = "its logarithm" if target.logarithm else "it"
    return [
        f"{listed(model.answer_names, 20)}: in the unit of the training data. The network learned {learned}, "
        "standardized.",
        "",
    ]


def _data(card: RowsCard) -> list[str]:
    if card.run is None:
        return ["They are not recorded.", ""]
    settings = card.run.settings["data"]
    lines = [f"{cell(data_title(card.run))}.", ""]
    if card.judged is not None:
        lines = [
            f"{cell(data_title(card.run))}; {len(card.judged.table):,} {card.nouns} chose the best epoch.",
            "",
        ]
    hashes = settings.get("content_hash")
    shown = ", ".join(code(value) for value in hashes.values()) if isinstance(hashes, dict) else ""
    return [
        *lines,
        *([f"SHA-256 over names and values, as convnets takes it: {shown}.", ""] if shown else []),
    ]


def _results(card: RowsCard) -> list[str]:
    """The network's figures with intervals, and the simple models beside it."""
    figures = _figures(card)
    if not figures:
        return ["No figures were measured.", ""]
    beside = card.judged.figures if card.judged is not None else {card.model.name: figures}
    recorded = card.model.metrics.get("baselines")
    if len(beside) == 1 and isinstance(recorded, dict):
        beside = {**beside, **recorded}
    keys = [key for key in ("accuracy", "loss", "rmse", "mae", "r2") if figures.get(key) is not None]
    rows = [
        [code(name), *("" if row.get(key) is None else f"{row[key]:.4g}" for key in keys)]
        for name, row in beside.items()
    ]
    lines = [
        f"On the validation {card.nouns}, by which the best epoch was chosen (so a little too good):",
        "",
        *table(("model", *(_NAMES.get(key, key) for key in keys)), rows),
        "",
    ]
    best = min if "rmse" in keys else max
    key = "rmse" if "rmse" in keys else "accuracy"
    first = best(beside, key=lambda name: beside[name].get(key) or 0.0)
    if first != card.model.name:
        lines += [f"**{first} does better here.** Use it, or say why not.", ""]
    return [*lines, *_intervals(card)]


def _intervals(card: RowsCard) -> list[str]:
    judged = card.judged
    if judged is None:
        return []
    if isinstance(judged.table, SeriesSet) and judged.table.in_time:
        return [
            "Windows of one series overlap, so that no interval is given: it would look surer than it is.",
            "",
        ]
    found, rows = judged.evaluation, []
    if isinstance(found, Evaluation):
        rows.append(share_row("accuracy", found.accuracy, len(found.labels))[:3])
    else:
        for place, name in enumerate(found.names):
            ends = number_intervals(found.true[:, place], found.predicted[:, place])
            for key, (low, high) in ends.items():
                value = found.measures[name][key]
                if value is not None and np.isfinite(low):
                    rows.append(
                        [f"{_NAMES[key]} of {cell(name)}", f"{value:.4g}", f"{low:.4g} to {high:.4g}"]
                    )
    return [
        *table((f"on {len(judged.table):,} {card.nouns}", "value", "95 % interval"), rows),
        "",
        f"The intervals (Wilson's, of numbers the bootstrap's) say how far other {card.nouns} of the same kind may "
        "lead, not other seeds.",
        "",
    ]


def _limits(card: RowsCard) -> list[str]:
    lines = []
    if isinstance(card.model.encoder, TableEncoder):
        lines.append("- A category that was not in the training rows is answered as any other unknown one.")
        lines.append(
            "- Numbers far beyond those of training are not refused, and nothing was measured there."
        )
    else:
        lines.append("- Series of another length or of other channels are refused.")
        lines.append("- What comes after the time that it was trained on may follow other rules.")
    lines.append("- What a column says of the answer is no cause of it.")
    if card.model.classes:
        lines.append("- Probabilities are the network's own; they were not calibrated.")
    if card.run is not None:
        lines.append(f"- It learned from {cell(data_title(card.run))} alone, and is one run from one seed.")
    return [*lines, ""]


def _license(card: RowsCard) -> list[str]:
    if card.license is not None:
        return [f"The author gives the model under: {cell(card.license)}."]
    return [
        "The author has not stated one yet: ask before you use the model. (Author: add `license: …` to the lines at "
        "the top, and replace this line.)"
    ]
