"""CardResults: what a model card says of how good a model is: figures with intervals, by class, under corruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convnets.evaluation.evaluation import Evaluation
from convnets.selection.calibration.calibration import Calibration
from convnets.selection.robustness.corrupted_evaluation import CorruptedEvaluation
from convnets.serving.export.card_text import cell, code, percent, share_row, table

__all__ = ["Headline", "calibration_section", "headline", "results_section", "robustness_section"]

_CLASSES_SHOWN = 20
_CONFUSIONS = 3


@dataclass(frozen=True)
class Headline:
    """The accuracy that stands first."""

    accuracy: float
    images: int | None
    part: str
    protocol: str | None


def headline(metrics: Mapping[str, Any], measured: Evaluation | None, part: str) -> Headline | None:
    """The test figure that the run recorded; else what was measured now; None where nothing is known."""
    recorded = metrics.get("test")
    if isinstance(recorded, dict) and isinstance(recorded.get("accuracy"), float):
        return Headline(recorded["accuracy"], recorded.get("images"), "test", recorded.get("protocol"))
    if measured is not None:
        return Headline(measured.accuracy, measured.images, part, measured.protocol)
    return None


def results_section(
    metrics: Mapping[str, Any], measured: Evaluation | None, part: str, validation_images: int | None
) -> list[str]:
    """Figures with their intervals of 95 %, then precision and recall by class where they were measured."""
    first, recorded, rows = headline(metrics, measured, part), metrics.get("test"), []
    if first is not None:
        rows.append(share_row(f"accuracy, {first.part}", first.accuracy, first.images))
    if measured is not None and measured.top5 is not None:
        rows.append(share_row(f"among the first five, {part}", measured.top5, measured.images))
    if isinstance(recorded, dict) and isinstance(recorded.get("loss"), float):
        rows.append(
            [
                "cross-entropy, test",
                f"{recorded['loss']:.4f} nats",
                "",
                f"{first.images:,}" if first and first.images else "",
            ]
        )
    validation = metrics.get("validation")
    if isinstance(validation, dict) and isinstance(validation.get("accuracy"), float):
        name = "accuracy, validation (chosen by it, so a little too good)"
        rows.append(share_row(name, validation["accuracy"], validation_images))
    if not rows:
        return ["No figures were measured.", ""]
    lines = [*table(("figure", "value", "95 % interval", "images"), rows), ""]
    if first is not None and first.protocol:
        lines += [f"Measured on: {cell(first.protocol)}.", ""]
    lines += [
        "The intervals (Wilson's) say how far other images of the same kind may lead, not other seeds.",
        "",
    ]
    return lines if measured is None else [*lines, *_by_class(measured, part)]


def _by_class(measured: Evaluation, part: str) -> list[str]:
    classes = sorted(
        (each for each in measured.per_class if each.support), key=lambda each: (each.recall, each.name)
    )
    shown = classes[:_CLASSES_SHOWN]
    rows = []
    for each in shown:
        name, found, interval, images = share_row(cell(each.name), each.recall, each.support)
        rows.append(
            [name, found, interval, percent(each.precision) if each.predicted else "never named", images]
        )
    which = (
        f"The {len(shown)} weakest of {len(classes):,} classes" if len(shown) < len(classes) else "By class"
    )
    head = ("class", "found (recall)", "95 % interval", "right when named (precision)", "images")
    confused = _confusions(measured)
    return [f"{which}, {part} images, the weakest first:", "", *table(head, rows), "", *confused]


def _confusions(measured: Evaluation) -> list[str]:
    counts = measured.confusion.clone()
    counts.fill_diagonal_(0)
    values, places = counts.flatten().topk(min(_CONFUSIONS, counts.numel()))
    size = len(measured.classes)
    pairs = [
        f"{cell(measured.classes[place // size])} taken for {cell(measured.classes[place % size])} ({value:,} times)"
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
        if value
    ]
    return [f"Most often confused: {'; '.join(pairs)}.", ""] if pairs else []


def calibration_section(metrics: Mapping[str, Any]) -> list[str]:
    """Whether the confidences can be taken at their word."""
    fitted = Calibration.of(metrics)
    if fitted is None:
        recorded = metrics.get("test")
        error = recorded.get("calibration_error") if isinstance(recorded, dict) else None
        shown = (
            f" Their expected calibration error is {error:.4f} on the test images."
            if error is not None
            else ""
        )
        return [f"Not fitted: the confidences are the network's own.{shown}", ""]
    counts = fitted.images
    lines = [
        f"`Predictor` divides the logits by a temperature of {fitted.temperature:.3f}, which {counts['temperature']:,} "
        f'images set; {counts["decisions"]:,} others set the thresholds for "don\'t know" and the sets of possible '
        "classes. They "
        f"are of part {code(fitted.part)}, from which the network did not learn"
        + (", though its epoch was chosen by them." if fitted.chosen_by else "."),
        "",
    ]
    rows = [_scores(name, fitted.measured.get(name)) for name in ("before", "after")]
    if all(rows):
        head = ("", "expected calibration error", "by chance alone, up to", "overconfidence", "95 % interval")
        lines += [*table(head, [row for row in rows if row]), ""]
        lines += [
            "Calibration error: how far confidence and share of right answers lie apart, on average.",
            "",
        ]
    return lines


def _scores(name: str, scores: Any) -> list[str] | None:
    if not isinstance(scores, dict):
        return None
    over = scores["overconfidence"]
    return [
        name,
        f"{scores['ece']:.4f}",
        f"{scores['ece_of_chance']:.4f}",
        f"{over['estimate']:+.4f}",
        f"{over['low']:+.4f} to {over['high']:+.4f}",
    ]


def robustness_section(found: CorruptedEvaluation | None) -> list[str]:
    """Accuracy under corruptions; where that was not measured, that it was not."""
    if found is None:
        return ["Noise, blur, weather, shifts and turns were not measured.", ""]
    mean = share_row("", found.mean, None)[1]
    rows = [
        [cell(name.replace("_", " ")), *(percent(value) for value in row), percent(sum(row) / len(row))]
        for name, row in sorted(found.accuracy.items(), key=lambda each: sum(each[1]))
    ]
    severities = tuple(str(each) for each in range(1, 1 + max(len(row) for row in found.accuracy.values())))
    kept = ", ".join(f"by {pixels}: {percent(value)}" for pixels, value in enumerate(found.consistency, 1))
    return [
        f"Accuracy on {found.images:,} images: {percent(found.clean)} as they are, {mean} corrupted (mean). "
        "The corruptions are CIFAR-10-C's (Hendrycks & Dietterich 2019), and shift, rotation and scale. By severity:",
        "",
        *table(("corruption", *severities, "mean"), rows),
        "",
        f"Images that keep their class when shifted by pixels, {kept}.",
        "",
    ]
