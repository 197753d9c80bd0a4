"""LabelErrors: the images whose label is probably wrong, ranked, with what they probably are."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.core.display.text_table import aligned
from convnets.core.html.kit import card, note, table
from convnets.core.storage.files import atomic_path
from convnets.selection.folds.out_of_fold import OutOfFold
from convnets.selection.labels.confident_learning import (
    confident_joint,
    estimated_joint,
    normalized_margins,
    prune_by_noise_rate,
)

__all__ = ["COLUMNS", "ClassNoise", "LabelError", "LabelErrors", "find_label_errors", "rank_images"]

COLUMNS = ("rank", "index", "name", "given", "suggested", "margin", "p_given", "p_suggested", "action")
_SHOWN = 20


@dataclass(frozen=True)
class LabelError:
    """One image."""

    index: int
    """Its place in the training set, from 0."""
    name: str
    """The picture's path; empty for an image that has none."""
    given: str
    suggested: str
    """The most probable class."""
    margin: float
    """p of the given class minus that of the suggested one; −1 is surest."""
    p_given: float
    p_suggested: float


@dataclass(frozen=True)
class ClassNoise:
    """Labels of one class."""

    name: str
    images: int
    found: int
    """Of them, those in the list."""
    noise_rate: float
    """Estimated share of this label's images that are of another class."""


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What confident learning says of a training set."""

    errors: tuple[LabelError, ...]
    """The surest first."""
    classes: tuple[ClassNoise, ...]
    images: int
    joint: Tensor
    """float64 K×K that adds up to 1: given class by probable class."""

    @property
    def noise_rate(self) -> float:
        """Estimated share of wrong labels overall."""
        return 1 - float(self.joint.diagonal().sum())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "noise_rate": self.noise_rate,
            "classes": [asdict(each) for each in self.classes],
            "errors": [asdict(each) for each in self.errors],
        }

    def save(self, path: Path | str) -> Path:
        """Write a CSV file: a row per image, the surest first; returns the path.

        Its last column, `action`, says what `apply_corrections` does: drop, correct (to `suggested`) or keep. Look at
        the pictures, and change it.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for rank, each in enumerate(self.errors, 1):
                numbers = (f"{value:.6f}" for value in (each.margin, each.p_given, each.p_suggested))
                writer.writerow((rank, each.index, each.name, each.given, each.suggested, *numbers, "drop"))
        return path

    def headline(self) -> str:
        """How many of how many, and the estimated rate."""
        return (
            f"{len(self.errors):,} of {self.images:,} labels are probably wrong; "
            f"estimated rate {self.noise_rate:.2%}"
        )

    def __str__(self) -> str:
        rows = [
            [each.name, f"{each.images:,}", f"{each.found:,}", f"{each.noise_rate:.2%}"]
            for each in sorted(self.classes, key=lambda each: -each.noise_rate)
        ]
        by_class = aligned(("label", "images", "found", "estimated rate"), rows, right=(1, 2, 3))
        first = [
            [str(each.index), each.given, each.suggested, f"{each.margin:.3f}", each.name]
            for each in self.errors[:_SHOWN]
        ]
        surest = aligned(("image", "given", "probably", "margin", "name"), first, right=(0, 3))
        return f"{self.headline()}\n\n{by_class}\n\n{surest}"

    def _repr_html_(self) -> str:
        rows = [
            [each.index, each.given, each.suggested, f"{each.margin:.3f}"] for each in self.errors[:_SHOWN]
        ]
        return card(
            "Label errors", note(self.headline()), table(("image", "given", "probably", "margin"), rows)
        )


def find_label_errors(found: OutOfFold) -> LabelErrors:
    """The images of a training set whose label is probably wrong, from out-of-fold probabilities.

    Found by confident learning, pruned by noise rate, ranked by margin (`confident_learning.py`).

    >>> p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9]])
    >>> find_label_errors(OutOfFold(p, torch.tensor([0, 0, 1, 1, 0]), ("cat", "dog"))).errors[0].index
    4
    """
    p, labels = found.probabilities, found.labels
    wrong = prune_by_noise_rate(p, labels)
    margins = normalized_margins(p, labels)
    joint = estimated_joint(confident_joint(p, labels), labels)
    places = wrong.nonzero().flatten()
    order = places[margins[places].argsort(stable=True)].tolist()
    return LabelErrors(
        tuple(_error(found, margins, index) for index in order),
        _by_class(found, wrong, joint),
        len(labels),
        joint,
    )


def rank_images(found: OutOfFold) -> list[int]:
    """Every image, the most suspicious first: those that were found, then the rest, each by margin."""
    margins = normalized_margins(found.probabilities, found.labels)
    wrong = prune_by_noise_rate(found.probabilities, found.labels)
    places: list[int] = (margins - 4 * wrong.double()).argsort(stable=True).tolist()
    return places


def _error(found: OutOfFold, margins: Tensor, index: int) -> LabelError:
    row, label = found.probabilities[index], int(found.labels[index])
    best = int(row.argmax())
    name = found.names[index] if found.names else ""
    given, suggested = found.classes[label], found.classes[best]
    return LabelError(
        index, name, given, suggested, float(margins[index]), float(row[label]), float(row[best])
    )


def _by_class(found: OutOfFold, wrong: Tensor, joint: Tensor) -> tuple[ClassNoise, ...]:
    counts = torch.bincount(found.labels, minlength=len(found.classes)).tolist()
    errors = torch.bincount(found.labels[wrong], minlength=len(found.classes)).tolist()
    rows: Sequence[float] = joint.sum(1).clamp(min=1e-300).tolist()
    return tuple(
        ClassNoise(name, counts[k], errors[k], 1 - float(joint[k, k]) / rows[k] if counts[k] else 0.0)
        for k, name in enumerate(found.classes)
    )
