"""Calibration: what a model folder keeps to turn its confidences into decisions, and from which images.

One half of the images sets the temperature, the other half thresholds and conformal quantiles: no image does both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from convnets.core.seeds import derive_seed
from convnets.data.stratified import stratified_part
from convnets.errors import ConfigError, DataError, ModelFolderError
from convnets.selection.calibration.decisions import (
    CONFORMAL,
    conformal_quantile,
    prediction_sets,
    threshold_for,
)
from convnets.selection.calibration.temperature import apply_temperature, fit_temperature

__all__ = ["CALIBRATION", "LEVELS", "Calibration", "fit_calibration", "halves"]

CALIBRATION = "calibration"
"""Its place among a model folder's metrics."""
LEVELS = tuple(hundredth / 100 for hundredth in range(50, 100))
"""Precisions and coverages that are prepared: 0.50, 0.51 … 0.99."""
_FEWEST = 200


@dataclass(frozen=True)
class Calibration:
    """One network's."""

    temperature: float
    """Logits are divided by it."""
    thresholds: dict[str, float | None]
    """By wanted precision, such as "0.95": the confidence from which on answers are that right; None for none."""
    quantiles: dict[str, dict[str, float]]
    """By kind (lac, aps) and coverage: the largest score of a class that is named."""
    images: dict[str, int]
    """How many set the temperature, and how many the rest."""
    hashes: dict[str, str]
    """SHA-256 over the places of these images in their part, to prove that the halves are disjoint."""
    part: str
    """The images' part of the data, such as `calibration`."""
    source: str
    chosen_by: bool = False
    """Whether the epoch of the network was chosen on the same images, which makes all of this a little too good."""
    measured: dict[str, Any] = field(default_factory=dict)
    """Scores before and after, on the half that did not set the temperature."""

    def apply(self, log_probabilities: Tensor) -> Tensor:
        """log-probabilities N×K at the temperature."""
        return apply_temperature(log_probabilities, self.temperature)

    def threshold(self, precision: float) -> float:
        """The confidence below which the answer is "don't know"; above 1 where the precision was out of reach.

        Raises ConfigError for a precision that was not prepared.
        """
        key = _key(precision, "precision")
        if key not in self.thresholds:
            raise ConfigError(
                f"precision {precision}; allowed: {LEVELS[0]:.2f} to {LEVELS[-1]:.2f} in hundredths"
            )
        found = self.thresholds[key]
        return 2.0 if found is None else found

    def sets(self, probabilities: Tensor, coverage: float, kind: str = "aps") -> Tensor:
        """bool N×K: the classes to name so that the true one is among them in `coverage` of the cases."""
        key = _key(coverage, "coverage")
        if kind not in self.quantiles:
            raise ConfigError(f"conformal sets {kind!r}; allowed: {', '.join(CONFORMAL)}")
        if key not in self.quantiles[kind]:
            raise ConfigError(
                f"coverage {coverage}; allowed: {LEVELS[0]:.2f} to {LEVELS[-1]:.2f} in hundredths"
            )
        return prediction_sets(probabilities, self.quantiles[kind][key], kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Calibration | None:
        """That of a model folder's metrics; None where it was not calibrated. ModelFolderError for a damaged one."""
        found = metrics.get(CALIBRATION)
        if found is None:
            return None
        try:
            made = cls(**found)
            apply_temperature(torch.zeros(1, 1), made.temperature)
        except (TypeError, ConfigError) as error:
            raise ModelFolderError(
                f"its calibration is damaged ({str(error)[:80]}); calibrate it again"
            ) from None
        return made


def fit_calibration(
    log_probabilities: Tensor,
    labels: Tensor,
    *,
    part: str = "calibration",
    source: str = "given images",
    chosen_by: bool = False,
    seed: int = 0,
) -> Calibration:
    """Set temperature, thresholds and conformal quantiles on images that the network did not learn from.

    Args:
        log_probabilities: float N×K; labels: int64 N.
        part, source: where the images came from, for the record.
        chosen_by: whether the network's epoch was chosen on them.

    Raises DataError below 200 images.

    >>> scores = torch.eye(2).repeat(200, 1).log_softmax(1)
    >>> fit_calibration(scores, torch.tensor([0, 1]).repeat(200)).images
    {'temperature': 200, 'decisions': 200}
    """
    if len(labels) < _FEWEST:
        raise DataError(f"{len(labels)} images to calibrate by; allowed: {_FEWEST} or more")
    first, second = halves(labels, seed)
    temperature = fit_temperature(log_probabilities[first], labels[first])
    p, own = apply_temperature(log_probabilities[second], temperature).exp(), labels[second]
    confidence, predicted = p.max(1)
    right = predicted == own
    return Calibration(
        temperature,
        {_key(level, ""): threshold_for(confidence, right, level) for level in LEVELS},
        {
            kind: {_key(level, ""): conformal_quantile(p, own, level, kind) for level in LEVELS}
            for kind in CONFORMAL
        },
        {"temperature": len(first), "decisions": len(second)},
        {"temperature": _hash(first), "decisions": _hash(second)},
        part,
        source,
        chosen_by,
    )


def halves(labels: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Places of the two halves, sorted, alike in their classes; a pure function of labels and seed."""
    counts = torch.bincount(labels)
    if int(counts[counts > 0].min()) < 2:
        raise DataError("a class has a single image to calibrate by; give two or more of each")
    chosen = stratified_part(
        labels.numpy(), len(labels) // 2, derive_seed(seed, "calibration halves") % 2**32
    )
    first = torch.zeros(len(labels), dtype=torch.bool)
    first[torch.tensor(chosen)] = True
    return first.nonzero().flatten(), (~first).nonzero().flatten()


def _key(level: float, name: str) -> str:
    if name and not 0 < level < 1:
        raise ConfigError(f"{name} is {level}; allowed: {LEVELS[0]:.2f} to {LEVELS[-1]:.2f} in hundredths")
    return f"{level:.2f}" if abs(level * 100 - round(level * 100)) < 1e-9 else str(level)


def _hash(places: Tensor) -> str:
    return hashlib.sha256(json.dumps(places.tolist()).encode()).hexdigest()
