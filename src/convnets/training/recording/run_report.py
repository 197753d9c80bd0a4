"""The report of a run: what `report.html` shows, gathered from the run, its task and its last evaluation."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from convnets.checkpoints.training_state import TrainingState
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.mistakes import mistake_pictures
from convnets.evaluation.plots.embedding_plot import embedding_svg
from convnets.evaluation.report.page import Report, write_report
from convnets.training.objectives.embedding import EmbeddingObjective
from convnets.training.recording.health import write_health
from convnets.training.runs.run import Run
from convnets.training.task import Task

__all__ = ["write_run_report"]

_MISTAKES_SHOWN = 24


def write_run_report(
    run: Run, task: Task, state: TrainingState, reason: str, judged: tuple[str, Evaluation] | None
) -> Path:
    """Write `report.html`; `judged` is the data part that the best weights were evaluated on, and how it went."""
    part, evaluation = judged or ("", None)
    images = task.test if part == "test" else task.validation
    pictures = []
    if evaluation is not None and images is not None:
        pictures = mistake_pictures(evaluation, images, task.preprocess, _MISTAKES_SHOWN)
    health, troubles = write_health(run)
    report = Report(
        title=f"{task.network_name} on {task.train.source}",
        summary=_summary(run, task, state, reason),
        rows=state.rows,
        evaluation=evaluation,
        pictures=pictures,
        config=run.settings["options"],
        environment=run.environment,
        warnings=(*task.notices, *troubles),
        commands=_commands(run),
        evaluated_on=part,
        drawings={**(_drawings(run) if task.objective is not None else {}), **health},
    )
    return write_report(run.report, report)


def _summary(run: Run, task: Task, state: TrainingState, reason: str) -> dict[str, str]:
    settings = run.settings
    seconds = sum(row["seconds"] for row in state.rows)
    images = sum(row["seconds"] * row["images_per_second_wall"] for row in state.rows)
    summary = {
        "network": f"{task.network_name}, {settings['network']['parameters']:,} parameters",
        "input": f"{task.preprocess.channels} × {task.preprocess.size} × {task.preprocess.size}",
        "training images": f"{len(task.train):,}",
        "validation images": "none" if task.validation is None else f"{len(task.validation):,}",
        "ended": f"{reason} after {state.epochs} epochs, {state.seconds:,.1f} s",
        "hardware": str(task.hardware),
    }
    if state.best_epoch is not None:
        why = "the last" if task.validation is None else "best validation accuracy"
        summary["weights kept"] = f"epoch {state.best_epoch} ({why})"
    if task.objective is not None:
        summary |= _of_vectors(task.objective, run)
    if seconds:
        summary["speed"] = f"{images / seconds:,.0f} images/s by wall clock"
    return summary


def _of_vectors(objective: EmbeddingObjective, run: Run) -> dict[str, str]:
    """What is to be known of a run that learned vectors; its curves say accuracy where they mean Recall@1."""
    summary = {
        "objective": f"{objective.config.objective} on vectors of length 1; accuracy below is Recall@1, of training "
        "within a batch"
    }
    test = run.results.get("test") or {}
    names = {"recall_at_1": "Recall@1", "r_precision": "R-precision", "map_at_r": "MAP@R"}
    figures = [f"{name} {test[key]:.4f}" for key, name in names.items() if key in test]
    return summary | ({"test": f"{', '.join(figures)} on {test['images']:,} images"} if figures else {})


def _drawings(run: Run) -> dict[str, str]:
    if not run.events_file.exists():
        return {}
    rows = {}
    for line in run.events_file.read_text("utf-8").splitlines():
        if '"EmbeddingMeasured"' in line:
            row = json.loads(line)
            rows[row["epoch"]] = row
    return {"Vectors": embedding_svg(list(rows.values()))} if rows else {}


def _commands(run: Run) -> dict[str, str]:
    where = shlex.quote(str(run.path))
    commands = {
        "Name what is on pictures": f"convnets predict {where} picture.png",
        "Evaluate again": f"convnets evaluate {where}",
    }
    if run.config.objective != "classification":
        images = shlex.quote(str(run.settings["data"]["name"] or "FOLDER"))
        commands = {"Find similar images": f"convnets index build {where} {images} -o index"}
    again = run.environment["command"]
    if again and again[0] == "convnets":
        commands["Repeat the run"] = shlex.join(again)
    return commands
