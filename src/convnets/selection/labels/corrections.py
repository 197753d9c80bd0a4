"""Corrections: a training set without the images that a list names, or with better labels for them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from convnets.core.progress import Progress
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import DataError, RunError
from convnets.selection.folds.cross_validation import CrossValidation
from convnets.selection.labels.label_errors import COLUMNS
from convnets.training.config import TrainConfig
from convnets.training.events import Listener
from convnets.training.runs.run import Run
from convnets.training.train import train

__all__ = ["Corrected", "apply_corrections", "images_of", "train_corrected"]

_ACTIONS = ("drop", "correct", "keep")


@dataclass(frozen=True, eq=False)
class Corrected:
    """A training set after its corrections."""

    images: ImageSet
    dropped: int
    relabeled: int


def apply_corrections(images: ImageSet, path: Path | str, *, correct: bool = False) -> Corrected:
    """Do to each image what the column `action` of the CSV file says: drop, correct or keep it.

    correct: rows that say drop get the suggested label instead. Raises DataError for a file that is not of these
    images: an index that is not there, or a given label that the image does not have.
    """
    path = Path(path)
    labels, kept = images.labels.clone(), torch.ones(len(images), dtype=torch.bool)
    relabeled = 0
    for row in _rows(path):
        action = "correct" if correct and row["action"] == "drop" else row["action"]
        index, given, suggested = int(row["index"]), row["given"], row["suggested"]
        fits = 0 <= index < len(images) and images.classes[int(images.labels[index])] == given
        if not fits or suggested not in images.classes:
            raise DataError(
                f"{path}: image {index} is no {given!r} in {images.source}; the file is of other images"
            )
        if action == "drop":
            kept[index] = False
        elif action == "correct":
            labels[index] = images.classes.index(suggested)
            relabeled += 1
    if not kept.any():
        raise DataError(f"{path} drops every image of {images.source}; keep some")
    found = replace(images, labels=labels).subset(kept)
    return Corrected(found, int((~kept).sum()), relabeled)


def train_corrected(
    found: CrossValidation,
    path: Path | str,
    *,
    correct: bool = False,
    data: Splits | None = None,
    output: Path | str = "runs",
    name: str | None = None,
    listeners: list[Listener] | None = None,
    progress: Progress | None = None,
) -> tuple[Run, Corrected]:
    """Train the network of a cross-validation by its options, on all its training images after the corrections.

    Returns the run, and what was done to the images. The data's own validation and test images are left as they are.
    """
    splits = images_of(found, progress) if data is None else data
    corrected = apply_corrections(splits.train, path, correct=correct)
    run = train(
        found.settings["network"],
        replace(splits, train=corrected.images),
        TrainConfig.from_dict(found.settings["options"]),
        arguments=found.settings["arguments"],
        output=output,
        name=name,
        listeners=listeners,
        progress=progress,
    )
    return run, corrected


def images_of(found: CrossValidation, progress: Progress | None = None) -> Splits:
    """The images of a cross-validation; RunError where they came from memory or are others by now."""
    name = found.settings["data"]
    if name is None:
        raise RunError(f"{found.path} was made on images from memory; pass them as data=…")
    splits = load_data(name, progress=progress)
    if splits.train.content_hash() != found.settings["content_hash"]:
        raise RunError(f"the images of {name} have changed since {found.path} was made; make it again")
    return splits


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            lacking = [name for name in COLUMNS[1:] if name not in (reader.fieldnames or ())]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give the file of label-errors") from None
    if lacking:
        raise DataError(f"{path} lacks the columns {', '.join(lacking)}; give the file of label-errors")
    for row in rows:
        if row["action"] not in _ACTIONS or not row["index"].isdecimal():
            raise DataError(
                f"{path}: image {row['index']!r} has the action {row['action']!r}; allowed: {', '.join(_ACTIONS)}"
            )
    return rows
