"""Evaluation: what a network scored on labeled images, and all that follows from its probabilities."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from convnets.core.display.text import columns
from convnets.core.html.kit import card, note, share, table
from convnets.evaluation.metrics import (
    ClassMetrics,
    ReliabilityBin,
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    per_class,
    reliability_bins,
    top_k_accuracy,
)

__all__ = ["Evaluation", "Mistake"]

_CLASSES_SHOWN = 30


@dataclass(frozen=True)
class Mistake:
    """One image that was taken for another class."""

    index: int
    """Position in the evaluated ImageSet, from 0."""
    true: str
    predicted: str
    confidence: float
    """Probability of the predicted class."""
    true_probability: float
    """Probability of the true class."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Probabilities and labels of the images, and how they were obtained; the measures follow from them.

    >>> import torch
    >>> evaluation = Evaluation(
    ...     probabilities=torch.tensor([[0.9, 0.1], [0.8, 0.2]]), labels=torch.tensor([0, 1]),
    ...     classes=("cat", "dog"), loss=0.857, seconds=0.1, protocol="single center crop, fp32",
    ... )
    >>> evaluation.accuracy, evaluation.mistakes()[0].true
    (0.5, 'dog')
    """

    probabilities: Tensor
    """float32 N×K, each row adds up to 1."""
    labels: Tensor
    """int64 N."""
    classes: tuple[str, ...]
    """K names, in the order of the labels."""
    loss: float
    """Mean cross-entropy in nats, without label smoothing."""
    seconds: float
    """Wall-clock time of the evaluation."""
    protocol: str
    """Crops, size and precision: what a reader needs to compare figures."""
    examples: str = "images"
    """What was evaluated, for people; of a table `rows`."""

    @property
    def images(self) -> int:
        """How many images were evaluated."""
        return len(self.labels)

    @cached_property
    def accuracy(self) -> float:
        """Share of images whose predicted class is their label."""
        return accuracy(self.probabilities, self.labels)

    @cached_property
    def top5(self) -> float | None:
        """Share of images whose label is among the five most probable classes; None with K ≤ 5."""
        return top_k_accuracy(self.probabilities, self.labels, 5) if len(self.classes) > 5 else None

    @cached_property
    def confusion(self) -> Tensor:
        """int64 K×K, rows true, columns predicted."""
        return confusion_matrix(self.probabilities, self.labels)

    @cached_property
    def per_class(self) -> tuple[ClassMetrics, ...]:
        """Precision, recall, F1 and support of each class, in the order of the labels."""
        return per_class(self.confusion, self.classes)

    @cached_property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """15 bins of equal width over confidence."""
        return reliability_bins(self.probabilities, self.labels)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over these bins: 0 when confidence is the chance of being right."""
        return expected_calibration_error(self.reliability)

    def mistakes(self, count: int = 20) -> tuple[Mistake, ...]:
        """The `count` most confident mistakes, the most confident first."""
        confidence, predicted = self.probabilities.max(1)
        wrong = (predicted != self.labels).nonzero().flatten()
        order = confidence[wrong].argsort(descending=True, stable=True)[:count]
        return tuple(self._mistake(index, int(predicted[index])) for index in wrong[order].tolist())

    def _mistake(self, index: int, predicted: int) -> Mistake:
        true = int(self.labels[index])
        row = self.probabilities[index]
        return Mistake(
            index, self.classes[true], self.classes[predicted], float(row[predicted]), float(row[true])
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: every measure, the confusion matrix and the 20 most confident mistakes."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "top5": self.top5,
            "loss": self.loss,
            "calibration_error": self.calibration_error,
            "protocol": self.protocol,
            "seconds": self.seconds,
            "classes": list(self.classes),
            "per_class": [asdict(each) for each in self.per_class],
            "confusion": self.confusion.tolist(),
            "reliability": [asdict(each) for each in self.reliability],
            "mistakes": [asdict(each) for each in self.mistakes()],
        }

    def headline(self) -> dict[str, str]:
        """The figures to read first, by name, as text."""
        figures = {"accuracy": f"{self.accuracy:.4f}"}
        if self.top5 is not None:
            figures["top-5"] = f"{self.top5:.4f}"
        figures["loss"] = f"{self.loss:.4f}"
        figures["calibration error"] = f"{self.calibration_error:.4f}"
        figures[self.examples] = f"{self.images:,}"
        return figures

    def shown_classes(self) -> tuple[ClassMetrics, ...]:
        """All classes, or of more than 30 the 30 of lowest F1, worst first: what a table has room for."""
        if len(self.classes) <= _CLASSES_SHOWN:
            return self.per_class
        return tuple(sorted(self.per_class, key=lambda each: each.f1)[:_CLASSES_SHOWN])

    def __str__(self) -> str:
        rows = self.shown_classes()
        width = max(len("class"), *(columns(each.name) for each in rows))
        lines = [" · ".join(f"{name} {value}" for name, value in self.headline().items()), self.protocol, ""]
        lines.append(f"{'class':<{width}}  precision  recall     f1  {self.examples:>6}")
        for each in rows:
            name = each.name + " " * (width - columns(each.name))
            lines.append(
                f"{name}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:5.3f}  {each.support:6,}"
            )
        if len(rows) < len(self.classes):
            lines.append(f"({len(rows)} classes of lowest f1, of {len(self.classes)})")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = " · ".join(f"{name} {value}" for name, value in self.headline().items())
        head = ("class", "precision", "recall", "f1", self.examples)
        rows = [
            [
                each.name,
                f"{each.precision:.3f}",
                f"{each.recall:.3f}",
                share(each.f1, f"{each.f1:.3f}"),
                f"{each.support:,}",
            ]
            for each in self.shown_classes()
        ]
        left = len(self.classes) - len(rows)
        more = [note(f"the {len(rows)} classes of lowest f1, of {len(self.classes):,}")] if left else []
        return card(title, note(self.protocol), table(head, rows), *more)
