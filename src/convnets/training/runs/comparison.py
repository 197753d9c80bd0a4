"""Comparison: runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convnets.core.html.kit import card, plot, table
from convnets.core.storage.files import write_text
from convnets.evaluation.numbers import SCORE_NAMES
from convnets.evaluation.plots.figures import lines_svg
from convnets.training.runs.run import Run

__all__ = ["Comparison", "compare_runs"]


class Comparison:
    """What several runs reached, what it cost, and the options in which they differ."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        kinds = {run.score_kind for run in self.runs} - {None}
        self._scores = [kind for kind in SCORE_NAMES if kind in kinds] or ["accuracy"]
        self.columns = [_facts(run, self._scores) for run in self.runs]
        options = [run.settings["options"] for run in self.runs]
        keys = [key for key in options[0] if len({str(each.get(key)) for each in options}) > 1]
        self.differences = {key: [each.get(key) for each in options] for key in keys}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"runs": self.columns, "differences": self.differences}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """A header of run names, and rows of a measure and its value in each run."""
        rows = [
            [_label(key), *(_shown(column[key]) for column in self.columns)]
            for key in self.columns[0]
            if key != "run"
        ]
        rows += [
            ["--" + key.replace("_", "-"), *map(_shown, values)] for key, values in self.differences.items()
        ]
        return ["", *(run.name for run in self.runs)], rows

    def __repr__(self) -> str:
        return f"Comparison({', '.join(run.name for run in self.runs)})"

    def _repr_html_(self) -> str:
        head, rows = self.table()
        return card("Runs side by side", table(head, rows), plot(self._curves()))

    def draw(self, path: Path) -> Path:
        """Write their validation (or else training) accuracy over the epochs, or R² of numbers, as SVG."""
        write_text(path, self._curves())
        return path

    def _curves(self) -> str:
        lines = {}
        for run in self.runs:
            rows = run.metrics
            validated = any(row["validation_accuracy"] is not None for row in rows)
            column = "validation_accuracy" if validated else "train_accuracy"
            label = run.name if validated else f"{run.name} (training)"
            lines[label] = [(row["epoch"], row[column]) for row in rows]
        return lines_svg(lines, " or ".join(SCORE_NAMES[kind] for kind in self._scores))


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Set runs side by side."""
    return Comparison(runs)


def _facts(run: Run, scores: Sequence[str]) -> dict[str, Any]:
    rows, results = run.metrics, run.results
    scored = {
        f"{part}_{kind}": results.get(part, {}).get(kind)
        for part in ("validation", "test")
        for kind in scores
    }
    seconds = sum(row["seconds"] or 0.0 for row in rows)
    images = sum((row["seconds"] or 0.0) * (row["images_per_second_wall"] or 0.0) for row in rows)
    return {
        "run": str(run.path),
        "network": run.network_name,
        "data": run.data_name,
        "status": run.status,
        "parameters": run.settings["network"]["parameters"],
        "epochs": len(rows),
        "best_epoch": results.get("epoch"),
        **scored,
        "test_loss": results.get("test", {}).get("loss"),
        "images_per_second": images / seconds if seconds else None,
        "seconds": seconds,
    }


def _label(key: str) -> str:
    part, _, kind = key.rpartition("_")
    return f"{part} {SCORE_NAMES[kind]}" if kind in SCORE_NAMES else key.replace("_", " ")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        case _:
            return ",".join(map(str, value)) if isinstance(value, list) else str(value)
