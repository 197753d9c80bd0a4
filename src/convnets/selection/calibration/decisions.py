"""Decisions: when to say "don't know", and which classes to name so that the right one is among them.

N images, K classes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy import special
from torch import Tensor

from convnets.errors import ConfigError, InputError, UnknownNameError

__all__ = [
    "CONFORMAL",
    "area_under_risk",
    "conformal_quantile",
    "conformal_scores",
    "prediction_sets",
    "risk_coverage",
    "threshold_for",
]

CONFORMAL = ("lac", "aps")
"""Least ambiguous sets (Sadinle, Lei & Wasserman 2019), and adaptive ones (Romano, Sesia & Candès 2020)."""
_STEPS = 100


def risk_coverage(confidence: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """float64 N each: coverage n/N, and the share of mistakes among the n most confident answers.

    Geifman & El-Yaniv 2017, "Selective classification for deep neural networks".

    >>> coverage, risk = risk_coverage(torch.tensor([0.9, 0.6, 0.8]), torch.tensor([True, False, True]))
    >>> risk.round(decimals=3).tolist()
    [0.0, 0.0, 0.333]
    """
    if confidence.shape != right.shape or confidence.ndim != 1 or not len(right):
        raise InputError(
            f"confidence {tuple(confidence.shape)}, right {tuple(right.shape)}; allowed: N and N, N ≥ 1"
        )
    order = confidence.argsort(descending=True, stable=True)
    count = torch.arange(1, len(right) + 1, dtype=torch.float64)
    return count / len(right), (~right.bool())[order].double().cumsum(0) / count


def area_under_risk(confidence: Tensor, right: Tensor) -> float:
    """The mean risk over all coverages (AURC): smaller is better; the error rate where confidence says nothing."""
    return float(risk_coverage(confidence, right)[1].mean())


def threshold_for(
    confidence: Tensor, right: Tensor, precision: float, certainty: float = 0.95
) -> float | None:
    """The lowest confidence from which on answers are right in `precision` of the cases, or None where there is none.

    Thresholds are tried from the strictest that could pass to the loosest, and the last one is taken whose lower limit
    of the precision (Clopper & Pearson 1934, one-sided, `certainty`) reaches what is wanted, until the first fails.
    So the true precision is below `precision` in at most 1 − `certainty` of all calibrations (fixed-sequence testing:
    Angelopoulos et al. 2021, "Learn then test").

    >>> threshold_for(torch.linspace(0.5, 1, 1000), torch.linspace(0.5, 1, 1000) > 0.6, 0.95) < 0.62
    True
    """
    if not 0 < precision < 1 or not 0 < certainty < 1:
        raise ConfigError(
            f"precision {precision}, certainty {certainty}; allowed: between 0 and 1, such as 0.95"
        )
    _, risk = risk_coverage(confidence, right)
    ordered = confidence.sort(descending=True).values
    # so many without a single mistake would pass; a tenth of the images, so that one among the surest ends nothing
    fewest = max(math.ceil(math.log(1 - certainty) / math.log(precision)), len(right) // 10)
    if fewest > len(right):
        return None
    counts = fewest + (torch.linspace(0, 1, _STEPS + 1) * (len(right) - fewest)).round().long().numpy()
    mistakes = (risk.numpy()[counts - 1] * counts).round()
    lower = special.betaincinv((counts - mistakes).clip(min=0.5), mistakes + 1, 1 - certainty)
    passed = (lower >= precision) & (mistakes < counts)
    reached = len(passed) if passed.all() else int(passed.argmin())
    return float(ordered[counts[reached - 1] - 1]) if reached else None


def conformal_scores(probabilities: Tensor, kind: str) -> Tensor:
    """float64 N×K: how strange each class would be as the answer, from 0 to 1.

    `lac`: 1 − p_k. `aps`: the probability of all classes that are more probable than k, and half its own; Romano et
    al. add a random share of it, by which the same picture would get other sets on another day.

    >>> conformal_scores(torch.tensor([[0.5, 0.25, 0.25]]), "aps").tolist()
    [[0.25, 0.625, 0.875]]
    """
    if kind not in CONFORMAL:
        raise UnknownNameError("conformal score", kind, CONFORMAL)
    p = probabilities.double()
    if kind == "lac":
        return 1 - p
    values, order = p.sort(dim=1, descending=True, stable=True)
    return torch.empty_like(p).scatter_(1, order, values.cumsum(1) - values / 2)


def conformal_quantile(probabilities: Tensor, labels: Tensor, coverage: float, kind: str) -> float:
    """The ⌈(N + 1)·coverage⌉-th smallest score of the true classes; 1 where N is too small for the coverage.

    Vovk, Gammerman & Shafer 2005: sets of the classes whose score is at most this hold the true one with probability
    `coverage` or more, over images of the same kind, whatever the network.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage is {coverage}; allowed: between 0 and 1, such as 0.9")
    own = conformal_scores(probabilities, kind).gather(1, labels[:, None]).flatten().sort().values
    place = math.ceil((len(own) + 1) * coverage)
    return 1.0 if place > len(own) else float(own[place - 1])


def prediction_sets(probabilities: Tensor, quantile: float, kind: str) -> Tensor:
    """bool N×K: the classes whose score is at most `quantile`, and in any case the most probable one.

    The latter makes the sets hold the true class more often than promised where the network is right more often than
    that.

    >>> prediction_sets(torch.tensor([[0.5, 0.4, 0.1]]), 0.9, "aps").tolist()
    [[True, True, False]]
    """
    scores: Any = conformal_scores(probabilities, kind)
    sets: Tensor = scores <= quantile + 1e-12
    return sets.scatter(1, probabilities.argmax(1, keepdim=True), True)
