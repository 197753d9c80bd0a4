"""How good probabilities are: calibration error, Brier score and log-likelihood, with what chance makes of them.

N images, K classes; every function takes probabilities N×K and labels N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnets.errors import InputError
from convnets.evaluation.metrics import cross_entropy, expected_calibration_error, reliability_bins
from convnets.selection.statistics.intervals import Interval

__all__ = [
    "ProbabilityScores",
    "brier_score",
    "equal_mass_error",
    "mean_interval",
    "score_probabilities",
]

_BINS = 15
_RESAMPLES = 1000
_NULL_DRAWS = 200
_FEWEST = 50
_AT_ONCE = 100_000  # drawn places that are in memory


@dataclass(frozen=True)
class ProbabilityScores:
    """Of one network on some images."""

    images: int
    accuracy: float
    nll: Interval
    """Mean −log p(label) in nats."""
    brier: Interval
    """Mean Σ (p − 1[label])², from 0 to 2."""
    overconfidence: Interval
    """Mean confidence minus accuracy: above 0 where the network is surer than it is right."""
    ece: float
    """Expected calibration error, 15 bins of equal width."""
    ece_of_chance: float
    """What a perfectly calibrated network shows on so many images in 95 of 100 cases at most: below it, `ece` is
    noise. An interval of the error itself would be false: it cannot be below 0, and chance only adds to it."""
    equal_mass_ece: float
    """The same error, 15 bins of equally many images."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        intervals = {name: getattr(self, name).to_dict() for name in ("nll", "brier", "overconfidence")}
        plain = ("images", "accuracy", "ece", "ece_of_chance", "equal_mass_ece")
        return {**{name: getattr(self, name) for name in plain}, **intervals}


def score_probabilities(probabilities: Tensor, labels: Tensor, *, seed: int = 0) -> ProbabilityScores:
    """All scores; intervals of 95 % by resampling images 1,000 times. Raises InputError below 50 images.

    >>> p = torch.tensor([[0.9, 0.1]]).expand(100, 2)
    >>> scores = score_probabilities(p, (torch.arange(100) % 10 == 0).long())
    >>> round(scores.ece, 6), round(scores.brier.estimate, 3)
    (0.0, 0.18)
    """
    if len(labels) < _FEWEST:
        raise InputError(f"{len(labels)} images; allowed: {_FEWEST} or more, for intervals over images")
    p = probabilities.double()
    confidence, predicted = p.max(1)
    right = (predicted == labels).double()
    own = p.gather(1, labels[:, None]).flatten()
    return ProbabilityScores(
        len(labels),
        float(right.mean()),
        mean_interval(-own.clamp(min=1e-300).log(), seed=seed),
        mean_interval(_squared_errors(p, labels), seed=seed),
        mean_interval(confidence - right, seed=seed),
        expected_calibration_error(reliability_bins(probabilities, labels, _BINS)),
        _ece_of_chance(confidence, seed),
        equal_mass_error(probabilities, labels),
    )


def brier_score(probabilities: Tensor, labels: Tensor) -> float:
    """Mean over images of Σ_k (p_k − 1[k = label])². Brier 1950, "Verification of forecasts expressed in probability".

    >>> round(brier_score(torch.tensor([[0.75, 0.25]]), torch.tensor([0])), 4)
    0.125
    """
    cross_entropy(probabilities, labels)  # refuses shapes that do not fit
    return float(_squared_errors(probabilities.double(), labels).mean())


def equal_mass_error(probabilities: Tensor, labels: Tensor, bins: int = _BINS) -> float:
    """Calibration error with bins of equally many images, to within one, in the order of confidence.

    Nixon et al. 2019, "Measuring calibration in deep learning" (there "adaptive"); equal widths put nearly all images
    of a good network into the last bin. Raises InputError for fewer images than bins.

    >>> p = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.9, 0.1]])
    >>> round(equal_mass_error(p, torch.tensor([0, 1, 0, 0]), bins=2), 6)
    0.1
    """
    if not 1 <= bins <= len(labels):
        raise InputError(f"{bins} bins for {len(labels)} images; allowed: 1 to as many as there are images")
    confidence, predicted = probabilities.double().max(1)
    order = confidence.argsort(stable=True)
    gaps = (confidence - (predicted == labels).double())[order]
    return sum(float(part.sum().abs()) for part in gaps.tensor_split(bins)) / len(labels)


def mean_interval(values: Tensor, level: float = 0.95, *, seed: int = 0) -> Interval:
    """The interval of a mean over images, by the percentiles of 1,000 resamples; at least 50 values.

    Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    numbers = values.double().numpy()
    generator = np.random.default_rng(seed)
    at_once, means = max(1, _AT_ONCE // len(numbers)), np.empty(_RESAMPLES)
    for start in range(0, _RESAMPLES, at_once):
        rows = min(at_once, _RESAMPLES - start)
        drawn = generator.integers(0, len(numbers), (rows, len(numbers)), dtype=np.int32)
        means[start : start + rows] = numbers[drawn].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(numbers.mean()), float(low), float(high), level, "bootstrap")


def _squared_errors(p: Tensor, labels: Tensor) -> Tensor:
    own = p.gather(1, labels[:, None]).flatten()
    return (p * p).sum(1) - 2 * own + 1


def _ece_of_chance(confidence: Tensor, seed: int) -> float:
    """The 95th percentile of the error where each image is right with its own confidence (Bröcker & Smith 2007)."""
    generator = torch.Generator().manual_seed(seed)
    edges = torch.linspace(0, 1, _BINS + 1, dtype=torch.float64)
    place = torch.bucketize(confidence, edges[1:-1])
    drawn = torch.rand(_NULL_DRAWS, len(confidence), generator=generator, dtype=torch.float64) < confidence
    sums = torch.zeros(_NULL_DRAWS, _BINS, dtype=torch.float64).index_add_(
        1, place, confidence - drawn.double()
    )
    return float((sums.abs().sum(1) / len(confidence)).quantile(0.95))
