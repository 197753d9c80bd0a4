"""Training vectors: the batches, the validation and the final figures of a run whose objective is a distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.checkpoints.model_folder import load_model, save_model
from convnets.checkpoints.training_state import TrainingState
from convnets.core.hardware import Hardware
from convnets.data.batches import Batches
from convnets.data.class_batches import BatchShape, ClassBatches, class_order
from convnets.data.image_set import ImageSet
from convnets.errors import ConvnetsError
from convnets.evaluation.ranking import RetrievalScores, score_retrieval
from convnets.evaluation.vectors import compute_vectors
from convnets.training.config import TrainConfig
from convnets.training.events import EmbeddingEvaluated, EmbeddingMeasured, Listener
from convnets.training.objectives.embedding import EmbeddingObjective
from convnets.training.runs.run import Run
from convnets.training.task import Task

__all__ = ["EmbeddingEvaluation", "class_batches", "evaluate_embedding", "finalize_embedding", "measured"]


@dataclass(frozen=True)
class EmbeddingEvaluation:
    """How well a network's vectors find images of the same class, each image searching among all others."""

    scores: RetrievalScores
    loss: float
    """Mean of the objective's loss on vectors over batches arranged as in training."""

    @property
    def accuracy(self) -> float:
        """Recall@1, what the best epoch is chosen by."""
        return self.scores.recall[1]

    def to_dict(self) -> dict[str, Any]:
        """What the model folder states, with its protocol."""
        return {
            "recall_at_1": self.scores.recall[1],
            "r_precision": self.scores.r_precision,
            "map_at_r": self.scores.map_at_r,
            "loss": self.loss,
            "images": self.scores.queries,
            "protocol": "each image searches among all others, itself left out; vectors of length 1",
        }


def class_batches(task: Task, config: TrainConfig) -> Batches:
    """P classes × K images of the task's training images per step."""
    return ClassBatches(
        task.train,
        task.preprocess,
        BatchShape.of(task.train, config.batch_size, config.images_per_class),
        device=task.hardware.device,
        seed=config.seed,
        augment=task.augment,
        workers=task.workers,
        skip_corrupt=config.skip_corrupt,
    )


def evaluate_embedding(
    task: Task,
    objective: EmbeddingObjective,
    network: nn.Module,
    images: ImageSet,
    hardware: Hardware | None = None,
) -> EmbeddingEvaluation:
    """Describe `images` by the objective's vectors and let each search among the others."""
    hardware = hardware or task.hardware
    answer = for_inference(objective.stage(network), hardware.dtype)

    def vectors_of(batch: Tensor) -> Tensor:
        with hardware.autocast():
            found = answer(batch)
        return objective.vectors(found)

    vectors = compute_vectors(vectors_of, network, images, task.preprocess, hardware, workers=task.workers)
    scores = score_retrieval(vectors, images.labels, images.classes)
    return EmbeddingEvaluation(scores, _mean_loss(objective, vectors, images))


def measured(
    epoch: int, objective: EmbeddingObjective, evaluation: EmbeddingEvaluation | None
) -> EmbeddingMeasured:
    """The event that tells of an epoch's vectors."""
    seen = objective.statistics
    scores = None if evaluation is None else evaluation.scores
    return EmbeddingMeasured(
        epoch,
        seen.active,
        seen.positive_distance,
        seen.negative_distance,
        None if scores is None else scores.recall[1],
        None if scores is None else scores.r_precision,
        None if scores is None else scores.map_at_r,
    )


def finalize_embedding(
    run: Run, task: Task, state: TrainingState, emit: Listener, *, interrupted: bool
) -> None:
    """Search the test images among themselves by the best weights, once; the model folder keeps the figures."""
    objective = task.objective
    assert objective is not None
    known = getattr(task.network, "architecture", None) is not None
    best = load_model(run.model_folder, task.hardware.device, None if known else task.network)
    best.metrics = {
        "epoch": state.best_epoch,
        "epochs": state.epochs,
        "embedding": best.metrics["embedding"],
    }
    if state.best_score is not None:
        recall, negative_loss = state.best_score
        best.metrics["validation"] = {
            "recall_at_1": recall,
            "loss": -negative_loss,
            "protocol": "best of all epochs by this figure",
        }
    if task.test is not None and not interrupted:
        objective.use(best.metrics["embedding"])
        evaluation = evaluate_embedding(task, objective, best.network, task.test)
        scores = evaluation.scores
        best.metrics["test"] = evaluation.to_dict()
        emit(EmbeddingEvaluated(scores.recall[1], scores.r_precision, scores.map_at_r, scores.queries))
    save_model(run.model_folder, best)


def _mean_loss(objective: EmbeddingObjective, vectors: Tensor, images: ImageSet) -> float:
    try:
        config = objective.config
        shape = BatchShape.of(images, config.batch_size, config.images_per_class)
        order = class_order(images.labels, shape, seed=0)
    except ConvnetsError:  # too few images for a batch like those of training: all of them together
        shape, order = BatchShape(1, len(images)), torch.arange(len(images))
    batches = order.view(-1, shape.classes * shape.images_per_class)
    with torch.no_grad():
        losses = [objective.loss(vectors[batch], images.labels[batch]) for batch in batches]
    return float(torch.stack(losses).mean())
