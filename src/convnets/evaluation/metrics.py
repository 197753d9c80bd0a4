"""Measures of a classifier: pure functions of probabilities N×K and labels N, counted in float64.

N images, K classes. A prediction is the class of the highest probability; of equal ones, the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convnets.errors import InputError

__all__ = [
    "ClassMetrics",
    "ReliabilityBin",
    "accuracy",
    "confusion_matrix",
    "cross_entropy",
    "expected_calibration_error",
    "per_class",
    "reliability_bins",
    "top_k_accuracy",
]


@dataclass(frozen=True)
class ClassMetrics:
    """One class against all others; a share whose denominator is 0 is undefined and given as 0.

    precision: of the images predicted as this class, the share that is of it (undefined if never predicted).
    recall: of the images of this class, the share predicted as it (undefined without any).
    f1: their harmonic mean, 2·precision·recall / (precision + recall) (undefined when both are 0).
    support: images of this class. predicted: images predicted as it.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose confidence lies in (low, high]; an empty bin has confidence and accuracy 0."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of images whose predicted class is their label. Raises InputError when the shapes do not fit.

    >>> accuracy(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([0, 1]))
    0.5
    """
    _check(probabilities, labels)
    return float((probabilities.argmax(1) == labels).double().mean())


def top_k_accuracy(probabilities: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of images whose label is among the `k` most probable classes; equal ones rank in class order.

    Raises InputError when k is not from 1 to K or the shapes do not fit.

    >>> top_k_accuracy(torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), torch.tensor([1, 2]), k=2)
    0.5
    """
    _check(probabilities, labels)
    if not 1 <= k <= probabilities.shape[1]:
        raise InputError(
            f"k is {k} with {probabilities.shape[1]} classes; allowed: 1 to {probabilities.shape[1]}"
        )
    own = probabilities.gather(1, labels[:, None])  # N×1
    before = torch.arange(probabilities.shape[1], device=labels.device) < labels[:, None]  # N×K
    rank = ((probabilities > own) | ((probabilities == own) & before)).sum(1)
    return float((rank < k).double().mean())


def confusion_matrix(probabilities: Tensor, labels: Tensor) -> Tensor:
    """int64 K×K: entry (i, j) counts the images of class i (rows) predicted as class j (columns).

    >>> confusion_matrix(torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), torch.tensor([0, 1, 1])).tolist()
    [[1, 0], [1, 1]]
    """
    _check(probabilities, labels)
    classes = probabilities.shape[1]
    pairs = labels * classes + probabilities.argmax(1)
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes)


def per_class(confusion: Tensor, names: Sequence[str]) -> tuple[ClassMetrics, ...]:
    """Precision, recall and F1 of each class from a confusion matrix K×K (rows true, columns predicted).

    >>> [round(c.f1, 3) for c in per_class(torch.tensor([[1, 0], [1, 1]]), ("cat", "dog"))]
    [0.667, 0.667]
    """
    if confusion.shape != (len(names), len(names)):
        raise InputError(
            f"confusion matrix is {tuple(confusion.shape)}; allowed: K×K for the {len(names)} names"
        )
    hits, support, predicted = (
        counts.tolist() for counts in (confusion.diagonal(), confusion.sum(1), confusion.sum(0))
    )
    return tuple(
        ClassMetrics(
            name,
            precision=_share(hits[i], predicted[i]),
            recall=_share(hits[i], support[i]),
            f1=_share(2 * hits[i], support[i] + predicted[i]),  # the same harmonic mean, in counts
            support=support[i],
            predicted=predicted[i],
        )
        for i, name in enumerate(names)
    )


def cross_entropy(log_probabilities: Tensor, labels: Tensor) -> float:
    """Mean of −log p(label) in nats, from natural logarithms of probabilities N×K (log_softmax of logits).

    Logarithms, because a probability too small for float32 would become 0 and the mean infinite.

    >>> round(cross_entropy(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([1])), 4)
    0.6931
    """
    _check(log_probabilities, labels)
    return float(-log_probabilities.gather(1, labels[:, None]).double().mean())


def reliability_bins(probabilities: Tensor, labels: Tensor, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Accuracy and mean confidence of the predictions in `bins` bins of equal width over (0, 1].

    Confidence is the probability of the predicted class. Source: Guo et al. 2017, "On Calibration of Modern
    Neural Networks", section 2, whose experiments use 15 bins. Raises InputError when bins is below 1.

    >>> bins = reliability_bins(torch.tensor([[0.9, 0.1]]), torch.tensor([0]), bins=2)
    >>> [(each.high, each.count, each.accuracy) for each in bins]
    [(0.5, 0, 0.0), (1.0, 1, 1.0)]
    """
    _check(probabilities, labels)
    if bins < 1:
        raise InputError(f"bins is {bins}; allowed: 1 or more")
    confidence, predicted = probabilities.max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=labels.device)
    index = torch.bucketize(confidence.double(), edges[1:-1])  # (low, high]
    count = torch.bincount(index, minlength=bins)
    sums = [
        torch.bincount(index, weights=values.double(), minlength=bins)
        for values in (confidence, predicted == labels)
    ]
    means = [(total / count.clamp(min=1)).tolist() for total in sums]
    limits = edges.tolist()
    return tuple(
        ReliabilityBin(*row) for row in zip(limits[:-1], limits[1:], count.tolist(), *means, strict=True)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Σ (count / N)·|accuracy − confidence| over the bins: 0 when confidence is the chance of being right.

    Source: Guo et al. 2017, equation 3.

    >>> expected_calibration_error([ReliabilityBin(0.5, 1.0, 4, confidence=0.75, accuracy=0.5)])
    0.25
    """
    total = sum(b.count for b in bins)
    return sum(_share(b.count, total) * abs(b.accuracy - b.confidence) for b in bins)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _check(probabilities: Tensor, labels: Tensor) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or len(labels) == 0:
        raise InputError(
            f"probabilities have shape {tuple(probabilities.shape)}, labels {tuple(labels.shape)}; "
            "allowed: N×K and N with N ≥ 1"
        )
    if labels.dtype != torch.int64:
        raise InputError(f"labels are {labels.dtype}; allowed: int64, such as labels.long()")
    low, high, classes = int(labels.min()), int(labels.max()), probabilities.shape[1]
    if low < 0 or high >= classes:
        raise InputError(
            f"label {low if low < 0 else high} with {classes} classes; allowed: 0 to {classes - 1}"
        )
    if bool(probabilities.isnan().any()):
        raise InputError(
            "probabilities hold NaN; allowed: numbers, such as logits.softmax(1) of finite logits"
        )
