"""Groups: what is compared. Runs that differ in the seed alone, or the folds of a cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnets.errors import RunError, UnknownNameError
from convnets.evaluation.numbers import SCORE_NAMES
from convnets.selection.folds.cross_validation import RECORD, read_cross_validation
from convnets.selection.folds.table_folds import TABLE_RECORD, read_table_folds
from convnets.selection.statistics.intervals import BELOW_1, SHARES, UNBOUNDED, Ends
from convnets.training.runs.run import ENDED, Run
from convnets.training.runs.run_folders import find_runs

__all__ = ["METRICS", "Group", "Replicates", "read_group", "read_replicates"]

METRICS = ("validation", "test")
"""Accuracy of the best epoch on validation images, to choose by; on test images, to confirm a choice once."""


@dataclass(frozen=True, eq=False)
class Group:
    """Values of one method, each under what it may be paired by: its seed, or its fold."""

    name: str
    values: dict[int | str, float]
    """Accuracies, from 0 to 1; of numbers R²."""
    test_share: float | None = None
    """For folds, n₂/n₁: they share training images; None for seeds."""
    pairing: str = ""
    """What must be equal for values of two groups to be pairs."""
    ends: Ends = UNBOUNDED
    """Between which the values lie: accuracies between 0 and 1, R² below 1."""
    score: str = "accuracy"
    """Of `SCORE_NAMES`, what the values are."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """A folder of runs that differ in the seed alone."""

    path: Path
    runs: tuple[Run, ...]
    stopped: str | None = None
    """Why it was stopped before its end, if it was."""

    @property
    def score(self) -> str:
        """Of `SCORE_NAMES`, what the values are."""
        return next((run.score_kind for run in self.runs if run.score_kind), "accuracy")

    def values(self, metric: str = "validation") -> dict[int | str, float]:
        """Accuracy, of numbers R², by seed of the runs that have ended; raises RunError where one has none."""
        if metric not in METRICS:
            raise UnknownNameError("metric", metric, METRICS)
        found: dict[int | str, float] = {}
        for run in self.runs:
            if run.status not in ENDED:
                continue
            value = run.score(metric)
            if value is None:
                other = METRICS[1 - METRICS.index(metric)]
                raise RunError(f"{run.path} has no {metric} score; compare by the other: --metric {other}")
            found[run.config.seed] = value
        return found


def read_replicates(path: Path | str) -> Replicates:
    """The runs in a folder. Raises RunError where there are none, or they differ in more than the seed."""
    runs = find_runs(path)
    if not runs:
        raise RunError(f"{path} holds no runs; give a folder that `convnets replicate` made")
    first = _identity(runs[0])
    for run in runs[1:]:
        other = _identity(run)
        differing = [key for key in first if first[key] != other.get(key)]
        if differing:
            raise RunError(
                f"{run.path} and {runs[0].path} differ in {', '.join(differing)}; a group differs in the seed alone"
            )
    return Replicates(Path(path), tuple(sorted(runs, key=lambda run: run.config.seed)))


def read_group(path: Path | str, metric: str = "validation") -> Group:
    """A folder of replicates, a cross-validation, or a single run, as values to compare.

    Of a cross-validation the value is the accuracy on the fold that was held out, whatever the metric.
    """
    path = Path(path)
    if (path / TABLE_RECORD).exists():
        rows = read_table_folds(path)
        measured = rows.figures[rows.network]
        key = next((each for each in SCORE_NAMES if each in measured), None)
        if key is None:
            raise RunError(
                f"{path}: R² is not known in every fold, as a target is constant there; give fewer folds"
            )
        scores: dict[int | str, float] = dict(zip(rows.fold_names, measured[key], strict=True))
        return Group(path.name, scores, 1 / (rows.folds - 1), f"folds {rows.pairing}", rows.ends(key), key)
    if (path / RECORD).exists():
        found = read_cross_validation(path)
        values: dict[int | str, float] = {
            score.name: score.accuracy for score in found.scores if score.accuracy is not None
        }
        keys = ("content_hash", "folds", "repeats", "groups")
        pairing = str([found.settings[key] for key in keys] + [found.settings["options"]["seed"]])
        return Group(path.name, values, 1 / (found.settings["folds"] - 1), f"folds {pairing}", SHARES)
    # whatever has a config.json is meant as one run; Run says what it lacks
    runs = Replicates(path, (Run(path),)) if (path / "config.json").exists() else read_replicates(path)
    data = runs.runs[0].settings["data"]["content_hash"]
    ends = SHARES if runs.score == "accuracy" else BELOW_1
    return Group(path.name, runs.values(metric), None, f"{metric} {data}", ends, runs.score)


def _identity(run: Run) -> dict[str, Any]:
    settings = run.settings
    options = {f"--{key}": value for key, value in settings["options"].items() if key != "seed"}
    return {
        "network": settings["network"]["name"],
        "its arguments": settings["network"]["arguments"],
        "images": settings["data"]["content_hash"],
        **options,
    }
