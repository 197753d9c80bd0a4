"""The end of a run: the best weights are evaluated once, and report and model folder say how it went."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from convnets.checkpoints.model_folder import load_model, save_model
from convnets.checkpoints.training_state import TrainingState
from convnets.core.hardware import Hardware, bf16_is_native
from convnets.data.image_set import ImageSet
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.precision import compare_precisions, settle_precision
from convnets.training.events import Evaluated, Listener, RunEnded
from convnets.training.interruption import INTERRUPTED, TERMINATED
from convnets.training.learner import Learner
from convnets.training.recording.embedding import finalize_embedding
from convnets.training.runs.run import Run
from convnets.training.task import Task

__all__ = ["evaluate_on", "finalize"]


def evaluate_on(
    task: Task, network: nn.Module, images: ImageSet, hardware: Hardware | None = None
) -> Evaluation:
    """Evaluate by the task's preprocess, on its hardware where no other is given."""
    return evaluate(
        network, images, task.preprocess, hardware=hardware or task.hardware, workers=task.workers
    )


def finalize(
    run: Run,
    task: Task,
    state: TrainingState,
    learner: Learner,
    reason: str,
    emit: Listener,
    *,
    hurried: bool = False,
) -> None:
    """Evaluate the best weights, write the report, and tell the listeners why the run ended.

    A run that failed is not evaluated; one that was interrupted is, on its validation images, and its test set
    stays unseen. A run that was interrupted in its first epoch keeps the weights that it had. When `hurried`, as
    after SIGTERM, nothing is evaluated.
    """
    judged = None
    if state.best_epoch is not None and not reason.startswith("failed") and not hurried:
        judged = _judge(run, task, state, reason, emit)
    elif state.best_epoch is None and reason in (INTERRUPTED, TERMINATED):
        save_model(run.model_folder, task.trained(learner.network_to_keep))
    from convnets.training.recording.run_report import (
        write_run_report,  # with matplotlib: training does not wait for it
    )

    report = write_run_report(run, task, state, reason, judged)
    emit(RunEnded(reason, state.epochs, state.seconds, str(run.path), str(report), state.best_epoch))


def _judge(
    run: Run, task: Task, state: TrainingState, reason: str, emit: Listener
) -> tuple[str, Evaluation] | None:
    """The data part that the best weights were evaluated on, and how it went; the model folder keeps the figures."""
    if task.objective is not None:
        finalize_embedding(run, task, state, emit, interrupted=reason == INTERRUPTED)
        return None
    known = getattr(task.network, "architecture", None) is not None
    best = load_model(run.model_folder, task.hardware.device, None if known else task.network)
    best.metrics = {"epoch": state.best_epoch, "epochs": state.epochs}
    if state.best_score is not None:
        accuracy, negative_loss = state.best_score
        protocol = "best of all epochs by this figure"
        best.metrics["validation"] = {"accuracy": accuracy, "loss": -negative_loss, "protocol": protocol}
    if task.hardware.dtype is torch.bfloat16 and reason != "interrupted":
        seen = task.train if task.validation is None else task.validation
        check = compare_precisions(best.network, seen, task.preprocess, task.hardware)
        best.metrics["precision"] = check.to_dict()
    elif task.hardware.automatic and bf16_is_native(task.hardware.device):  # found to have no bf16
        best.metrics["precision"] = {"bf16_holds": False}
    hardware = settle_precision(task.hardware, best.metrics)
    judged = None
    if task.test is not None and reason != "interrupted":
        evaluation = evaluate_on(task, best.network, task.test, hardware)
        best.metrics["test"] = _figures(evaluation)
        emit(Evaluated(evaluation.accuracy, evaluation.loss, evaluation.images))
        judged = "test", evaluation
    elif task.validation is not None:
        judged = "validation", evaluate_on(task, best.network, task.validation, hardware)
    save_model(run.model_folder, best)
    return judged


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "images": evaluation.images,
        "calibration_error": evaluation.calibration_error,
        "protocol": evaluation.protocol,
    }
