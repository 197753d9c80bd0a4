"""Calibrating a run or model folder, and measuring what the calibration is worth on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from convnets.checkpoints.model_folder import save_model
from convnets.checkpoints.model_source import resolve_model_folder
from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.errors import UsageError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.precision import settle_precision
from convnets.selection.calibration.calibration import CALIBRATION, Calibration, fit_calibration, halves
from convnets.selection.calibration.decisions import CONFORMAL
from convnets.selection.calibration.picture import risk_coverage_figure
from convnets.selection.calibration.scores import ProbabilityScores, score_probabilities
from convnets.serving.model_and_images import ModelAndImages, open_model_and_images

__all__ = ["Decisions", "MeasuredCalibration", "calibrate_model", "measure_calibration"]


@dataclass(frozen=True)
class Decisions:
    """What answering, or not answering, came to at one level."""

    level: float
    answered: float
    """Share of the images whose confidence reaches the threshold of this precision."""
    precision: float | None
    """Of these, the share that is right; None where none is answered."""
    coverage: dict[str, float]
    """By kind of conformal set: the share of images whose class is in the set."""
    size: dict[str, float]
    """Mean number of classes in the sets."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.__dict__}


@dataclass(frozen=True, eq=False)
class MeasuredCalibration:
    """A calibration, and how it does on images that had no part in it."""

    calibration: Calibration
    part: str
    before: ProbabilityScores
    after: ProbabilityScores
    decisions: tuple[Decisions, ...]
    confidence: Tensor
    right: Tensor

    def figure(self) -> Figure:
        """Risk against coverage, with the threshold of the first level."""
        level = self.decisions[0].level if self.decisions else 0.95
        return risk_coverage_figure(self.confidence, self.right, self.calibration.threshold(level))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "temperature": self.calibration.temperature,
            "part": self.part,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "decisions": [each.to_dict() for each in self.decisions],
            "calibrated_by": {"part": self.calibration.part, "images": self.calibration.images},
        }

    def __str__(self) -> str:
        lines = [
            f"temperature {self.calibration.temperature:.3f}, measured on {self.part}, {self.before.images:,} images"
        ]
        for name, scores in (("before", self.before), ("after", self.after)):
            lines.append(
                f"{name:<6}  ece {scores.ece:.4f} (chance alone: up to {scores.ece_of_chance:.4f})  equal-mass "
                f"{scores.equal_mass_ece:.4f}  brier {_shown(scores.brier)}  nll {_shown(scores.nll)}  "
                f"overconfidence {_shown(scores.overconfidence)}"
            )
        for each in self.decisions:
            right = "none" if each.precision is None else f"{each.precision:.4f} right"
            sets = ", ".join(
                f"{kind} {each.coverage[kind]:.4f} with {each.size[kind]:.2f} classes" for kind in CONFORMAL
            )
            lines.append(f"at {each.level:.2f}: {each.answered:.1%} answered, {right}; sets: {sets}")
        if self.calibration.chosen_by:
            lines.append(
                "the epoch was chosen on the same images: a little too good; train with --calibration 0.1"
            )
        return "\n".join(lines)


def calibrate_model(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    hardware: Hardware | None = None,
    levels: Sequence[float] = (0.95,),
    progress: Progress | None = None,
) -> MeasuredCalibration:
    """Set temperature, thresholds and conformal sets, and keep them in the model folder, where `Predictor` reads them.

    Args:
        source: a run or model folder.
        data: a data set's name, or a folder or zip; by default the run's own.
        part: by default `calibration`, which a run has where it was trained with `calibration` above 0. `validation`
            is allowed and noted: the epoch was chosen on it. `train` is refused, and so is `test`, which is for the
            end.

    What comes back is measured on the half that did not set the temperature; thresholds and sets were set there, and
    are measured on others by `measure_calibration`. Raises UsageError for a part that is not there or not allowed.
    """
    if part in ("train", "test"):
        raise UsageError(f"part {part!r} to calibrate by; allowed: calibration, validation")
    chosen = open_model_and_images(
        source, data, part=part or "calibration", hardware=hardware, progress=progress
    )
    scores = _log_probabilities(chosen, hardware)
    calibration = fit_calibration(
        scores,
        chosen.images.labels,
        part=chosen.part,
        source=chosen.images.source,
        chosen_by=chosen.part == "validation",
    )
    _, rest = halves(chosen.images.labels)
    measured = _measure(calibration, scores[rest], chosen.images.labels[rest], chosen.part, levels)
    kept = {"before": measured.before.to_dict(), "after": measured.after.to_dict()}
    calibration = replace(calibration, measured=kept)
    chosen.model.metrics[CALIBRATION] = calibration.to_dict()
    chosen.model.network.cpu()
    save_model(resolve_model_folder(source), chosen.model)
    return replace(measured, calibration=calibration)


def measure_calibration(
    source: Path | str,
    data: str | Path | None = None,
    *,
    part: str = "test",
    hardware: Hardware | None = None,
    levels: Sequence[float] = (0.95,),
    progress: Progress | None = None,
) -> MeasuredCalibration:
    """How the calibration of a model folder does on images that had no part in it; UsageError where it has none."""
    chosen = open_model_and_images(source, data, part=part, hardware=hardware, progress=progress)
    calibration = Calibration.of(chosen.model.metrics)
    if calibration is None:
        raise UsageError(f"{source} is not calibrated; do it with: convnets calibrate {source}")
    if (part, chosen.images.source) == (calibration.part, calibration.source) or part == "train":
        raise UsageError(f"{source} was made on part {part!r}; measure it on other images, such as test")
    return _measure(calibration, _log_probabilities(chosen, hardware), chosen.images.labels, part, levels)


def _log_probabilities(chosen: ModelAndImages, hardware: Hardware | None) -> Tensor:
    settled = None if hardware is None else settle_precision(hardware, chosen.model.metrics)
    found = evaluate(chosen.model.network, chosen.images, chosen.model.preprocess, hardware=settled)
    return found.probabilities.double().clamp(min=1e-30).log()


def _measure(
    calibration: Calibration, scores: Tensor, labels: Tensor, part: str, levels: Sequence[float]
) -> MeasuredCalibration:
    p = calibration.apply(scores).exp()
    confidence, predicted = p.max(1)
    right = predicted == labels
    decisions = []
    for level in levels:
        given = confidence >= calibration.threshold(level)
        sets = {kind: calibration.sets(p, level, kind) for kind in CONFORMAL}
        decisions.append(
            Decisions(
                level,
                float(given.double().mean()),
                float(right[given].double().mean()) if bool(given.any()) else None,
                {
                    k: float(each[torch.arange(len(labels)), labels].double().mean())
                    for k, each in sets.items()
                },
                {k: float(each.sum(1).double().mean()) for k, each in sets.items()},
            )
        )
    return MeasuredCalibration(
        calibration,
        part,
        score_probabilities(scores.exp(), labels),
        score_probabilities(p, labels),
        tuple(decisions),
        confidence,
        right,
    )


def _shown(interval: Any) -> str:
    return f"{interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
