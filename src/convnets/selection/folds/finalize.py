"""The end of a cross-validation: out-of-fold probabilities, disagreements, and the ensemble of the folds."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import torch
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.hardware import Hardware, choose_hardware
from convnets.core.progress import Progress
from convnets.core.storage.files import atomic_path
from convnets.data.image_set import ImageSet
from convnets.data.images.contact_sheet import ContactSheet, SheetRow
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.precision import settle_precision
from convnets.selection.folds.cross_validation import CrossValidation
from convnets.selection.folds.disagreement import disagreement
from convnets.selection.folds.fold_ensemble import make_ensemble
from convnets.selection.folds.out_of_fold import OutOfFold
from convnets.selection.folds.splitting import Fold
from convnets.training.config import TrainConfig

__all__ = ["finalize", "held_out_mean"]

_SHOWN = 24


def finalize(
    found: CrossValidation,
    images: ImageSet,
    folds: Sequence[Fold],
    config: TrainConfig,
    progress: Progress | None = None,
) -> None:
    """Ask every run about every training image, and write what comes of it into the folder.

    Of each image the answers of the runs that had not seen it become the out-of-fold probabilities.
    """
    hardware = choose_hardware(config.device, config.precision, config.threads)
    models = [run.load(hardware.device) for run in found.runs()]
    answers = []
    for place, model in enumerate(models):
        if progress is not None:
            progress("asking the folds", place, len(models))
        answers.append(_answers(model, images, hardware))
    every = torch.stack(answers)  # M×N×K
    names = () if images.resident else tuple(images.images.names)  # type: ignore[union-attr]
    rows = OutOfFold(held_out_mean(every, folds), images.labels, images.classes, names)
    rows.save(found.path / "out_of_fold.csv")
    _write_disagreement(found, images, rows, every, models[0])
    metrics = {"cross_validation": {"folds": len(models), "accuracy": found.mean, "std": found.std}}
    save_model(found.model_folder, make_ensemble([_on_cpu(model) for model in models], metrics))


def held_out_mean(answers: Tensor, folds: Sequence[Fold]) -> Tensor:
    """M×N×K of the M folds' runs → N×K: for each image the mean of those that held it out."""
    total, times = torch.zeros_like(answers[0]), torch.zeros(answers.shape[1])
    for answer, fold in zip(answers, folds, strict=True):
        places = torch.tensor(fold.held_out)
        total[places] += answer[places]
        times[places] += 1
    return total / times[:, None]


def _answers(model: TrainedModel, images: ImageSet, hardware: Hardware) -> Tensor:
    settled = settle_precision(hardware, model.metrics)
    return evaluate(model.network, images, model.preprocess, hardware=settled).probabilities


def _on_cpu(model: TrainedModel) -> TrainedModel:
    model.network.cpu()
    return model


def _write_disagreement(
    found: CrossValidation, images: ImageSet, rows: OutOfFold, every: Tensor, model: TrainedModel
) -> None:
    """All images, those that the runs disagree on most first; the first of them as pictures."""
    measured = disagreement(every)
    order = measured.argsort(descending=True, stable=True).tolist()
    said = every.argmax(2)  # M×N
    with atomic_path(found.path / "disagreement.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("index", "name", "label", "disagreement", *(score.name for score in found.scores)))
        for index in order:
            name = rows.names[index] if rows.names else ""
            own = [images.classes[label] for label in said[:, index].tolist()]
            label = images.classes[int(images.labels[index])]
            writer.writerow((index, name, label, f"{float(measured[index]):.6f}", *own))
    shown = order[:_SHOWN]
    tiles = [_pixels(images, model, index) for index in shown]
    captions = [
        (f"{index}: {images.classes[int(images.labels[index])]}", _votes(said[:, index], images.classes))
        for index in shown
    ]
    lines = [
        SheetRow("", tiles[start : start + 6], captions[start : start + 6])
        for start in range(0, len(tiles), 6)
    ]
    sheet = ContactSheet(
        "Where the folds disagree most",
        (f"{images.source}: index and label; below, how many of the {len(every)} networks say which class.",),
        (("", min(6, len(tiles))),),
        lines,
    )
    sheet.draw().save(found.path / "disagreement.png")


def _pixels(images: ImageSet, model: TrainedModel, index: int) -> Tensor:
    if isinstance(images.images, Tensor):
        return images.images[index]
    return model.preprocess.store(images.images.open(index))


def _votes(said: Tensor, classes: Sequence[str]) -> str:
    counts = torch.bincount(said, minlength=len(classes))
    voted = [label for label in counts.argsort(descending=True, stable=True).tolist() if counts[label]]
    return ", ".join(f"{int(counts[label])} {classes[label]}" for label in voted)
