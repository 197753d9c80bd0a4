"""The end of a run on a table: the best weights beside the baselines, the model folder's figures, and the report."""

from __future__ import annotations

import shlex
from pathlib import Path

from convnets.checkpoints.model_folder import save_model
from convnets.checkpoints.table_model import load_table_model
from convnets.checkpoints.training_state import TrainingState
from convnets.core.distributed.process_group import ProcessGroup
from convnets.evaluation.baselines import evaluate_baselines, figures_of
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.numbers import NumbersEvaluation
from convnets.evaluation.plots.numbers_plot import numbers_svg
from convnets.evaluation.report.page import Report, write_report
from convnets.training.config import TrainConfig
from convnets.training.events import Listener, RunEnded, TableEvaluated
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.learner import Learner
from convnets.training.objectives.numbers import NumbersObjective
from convnets.training.runs.run import Run
from convnets.training.tables.row_batches import RowBatches
from convnets.training.tables.table_task import TableTask

__all__ = ["finalize_table", "row_batches"]


def row_batches(task: TableTask, config: TrainConfig, group: ProcessGroup) -> RowBatches:
    """The training rows in this process's batches."""
    return RowBatches(
        task.train,
        config.batch_size,
        device=task.hardware.device,
        seed=config.seed,
        share=(group.rank, group.size),
        augment=task.augment,
    )


def finalize_table(
    run: Run,
    task: TableTask,
    state: TrainingState,
    learner: Learner,
    reason: str,
    emit: Listener,
    *,
    hurried: bool = False,
) -> None:
    """Evaluate the best weights and the baselines on the validation rows, write the report, and tell the listeners.

    A run that failed is not evaluated, nor one that was stopped in a hurry.
    """
    judged = None
    if state.best_epoch is not None and not reason.startswith("failed") and not hurried:
        judged = _judge(run, task, state, reason, emit)
    elif state.best_epoch is None and reason in (INTERRUPTED, TERMINATED):
        save_model(run.model_folder, task.trained(learner.network_to_keep))
    report = _write_report(run, task, state, reason, judged)
    emit(RunEnded(reason, state.epochs, state.seconds, str(run.path), str(report), state.best_epoch))


def _judge(
    run: Run, task: TableTask, state: TrainingState, reason: str, emit: Listener
) -> Evaluation | NumbersEvaluation | None:
    known = getattr(task.network, "architecture", None) is not None
    best = load_table_model(run.model_folder, task.hardware.device, None if known else task.network)
    best.metrics = {"epoch": state.best_epoch, "epochs": state.epochs}
    judged, nouns = None, task.train.table.nouns
    if task.validation is not None:
        judged = task.evaluate(best.network, task.validation)
        figures = {task.network_name: figures_of(judged)}
        if reason != INTERRUPTED:
            found = evaluate_baselines(
                task.target,
                (task.train.inputs, task.train.table),
                (task.validation.inputs, task.validation.table),
            )
            figures |= {name: figures_of(each) for name, each in found.items()}
        protocol = f"{nouns} that chose the best epoch; baselines fitted on the training {nouns}"
        best.metrics["validation"] = {
            **figures[task.network_name],
            "rows": len(task.validation),
            "protocol": protocol,
        }
        best.metrics["baselines"] = {name: row for name, row in figures.items() if name != task.network_name}
        emit(TableEvaluated("validation", len(task.validation), task.network_name, figures, nouns))
    save_model(run.model_folder, best)
    return judged


def _write_report(
    run: Run,
    task: TableTask,
    state: TrainingState,
    reason: str,
    judged: Evaluation | NumbersEvaluation | None,
) -> Path:
    drawings = {}
    if isinstance(judged, NumbersEvaluation):
        drawings = numbers_svg(judged)
    nouns = task.train.table.nouns
    settings, where = run.settings, shlex.quote(str(run.path))
    commands = {
        f"Predict {nouns}": f"convnets predict {where} new.csv",
        "Evaluate": f"convnets evaluate {where}",
    }
    again = run.environment["command"]
    if again and again[0] == "convnets":
        commands["Repeat the run"] = shlex.join(again)
    report = Report(
        title=f"{task.network_name} on {task.train.source}",
        summary={
            "network": f"{task.network_name}, {settings['network']['parameters']:,} parameters",
            "input": task.encoder.about,
            "target": ", ".join(task.target.names)[:200],
            f"training {nouns}": f"{len(task.train):,}",
            f"validation {nouns}": "none" if task.validation is None else f"{len(task.validation):,}",
            "ended": f"{reason} after {state.epochs} epochs, {state.seconds:,.1f} s",
            "hardware": str(task.hardware),
            **({} if task.objective is None else {"loss": _told(task.objective)}),
        },
        rows=state.rows,
        evaluation=judged if isinstance(judged, Evaluation) else None,
        config=settings["options"],
        environment=run.environment,
        warnings=task.notices,
        commands=commands,
        evaluated_on="validation",
        drawings=drawings,
    )
    return write_report(run.report, report)


def _told(objective: NumbersObjective) -> str:
    if not objective.quantiles:
        return f"{objective.loss}; accuracy below is R²"
    return (
        f"{objective.loss} of {', '.join(f'q{each:g}' for each in objective.quantiles)}; accuracy below is R¹"
    )
