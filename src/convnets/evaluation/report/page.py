"""Report: one HTML page that holds all there is to say of a run, to be opened, sent and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from convnets.core.storage.files import write_text
from convnets.evaluation.evaluation import Evaluation, Mistake
from convnets.evaluation.report.html import (
    details,
    facts,
    figures,
    note,
    page,
    picture,
    section,
    settings_table,
    table,
    text,
    themed,
)

__all__ = ["Report", "write_report"]

_MEASURES_EXPLAINED = (
    "Precision: of the images predicted as the class, the share that is of it. Recall: of the images of the class, "
    "the share that was found. F1: their harmonic mean. Undefined shares are given as 0."
)
_MATRIX_EXPLAINED = (
    "Rows are true classes, columns predicted ones. Blue: right. Orange: mistakes, drawn stronger so that "
    "rare ones show."
)
_CELLS_EXPLAINED = " Neighbouring classes share a cell."
_RELIABILITY_EXPLAINED = (
    "Of the images predicted with a confidence, the share that was right. On the dashed line confidence is the "
    "chance of being right; the mean distance to it is the calibration error, "
)


@dataclass(frozen=True)
class Report:
    """What a report says. Only the title is needed; a part without content is left out.

    >>> report = Report("lenet on digits", summary={"network": "lenet"}, warnings=["2 files were skipped"])
    >>> "<h1>lenet on digits</h1>" in report.html()
    True
    """

    title: str
    summary: Mapping[str, str] = field(default_factory=dict)
    """What was run, in a few words each: network, data, parameters, time …"""
    rows: Sequence[Mapping[str, float | None]] = ()
    """The rows of metrics.csv."""
    evaluation: Evaluation | None = None
    pictures: Sequence[Tensor] = ()
    """uint8 C×H×W of each of `evaluation.mistakes(len(pictures))`, in that order: see `mistake_pictures`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    """Command lines by what they do, such as {"Repeat this run": "convnets train …"}."""
    evaluated_on: str = "test"
    """Which part of the data the evaluation is of."""
    drawings: Mapping[str, str] = field(default_factory=dict)
    """Further plots by their heading: SVG text, as the functions of `plots` give it."""

    def html(self) -> str:
        """The whole page."""
        parts = [
            self._head(),
            self._warnings(),
            self._curves(),
            *(section(heading, themed(svg)) for heading, svg in self.drawings.items()),
            self._classes(),
            self._matrix_and_reliability(),
            self._mistakes(),
            self._commands(),
            details("Configuration", settings_table(self.config)) if self.config else "",
            details("Environment", settings_table(self.environment)) if self.environment else "",
        ]
        return page(self.title, "\n".join(part for part in parts if part))

    def _head(self) -> str:
        head = f"<header><h1>{text(self.title)}</h1>"
        if self.evaluation is not None:
            head += f"<p>{text(self.evaluated_on)} images · {text(self.evaluation.protocol)}</p>"
            head += figures(self.evaluation.headline())
        return head + "</header>" + (section("Summary", facts(self.summary)) if self.summary else "")

    def _warnings(self) -> str:
        items = "".join(f"<li>{text(warning)}</li>" for warning in self.warnings)
        return section("Warnings", f"<ul>{items}</ul>", "warning") if items else ""

    def _curves(self) -> str:
        from convnets.evaluation.plots.figures import (
            curve_svg,
        )  # matplotlib is loaded when a plot is drawn, not before

        if not self.rows:
            return ""
        measures = [
            measure
            for measure in ("loss", "accuracy", "learning_rate")
            if any(row.get(name) is not None for row in self.rows for name in row if name.endswith(measure))
        ]
        plots = "".join(f"<div>{themed(curve_svg(self.rows, measure))}</div>" for measure in measures)
        return section("Training", f'<div class="curves">{plots}</div>')

    def _classes(self) -> str:
        if self.evaluation is None:
            return ""
        shown = self.evaluation.shown_classes()
        rows = [
            (
                text(each.name),
                f"{each.precision:.3f}",
                f"{each.recall:.3f}",
                _bar(each.f1),
                f"{each.support:,}",
            )
            for each in shown
        ]
        body = table(("class", "precision", "recall", "F1", "images"), rows)
        total = len(self.evaluation.classes)
        partly = (
            f" The {len(shown)} classes of lowest F1 are shown, of {total}." if len(shown) < total else ""
        )
        return section("Classes", body + note(_MEASURES_EXPLAINED + partly))

    def _matrix_and_reliability(self) -> str:
        from convnets.evaluation.plots.figures import CELLS, confusion_svg, reliability_svg

        if self.evaluation is None:
            return ""
        shared = _CELLS_EXPLAINED if len(self.evaluation.classes) > CELLS else ""
        matrix = themed(confusion_svg(self.evaluation)) + note(_MATRIX_EXPLAINED + shared)
        matrix += _confused_pairs(self.evaluation)
        error = f"{self.evaluation.calibration_error:.4f}."
        reliability = themed(reliability_svg(self.evaluation)) + note(_RELIABILITY_EXPLAINED + error)
        return f'<div class="pair">{section("Confusion matrix", matrix)}{section("Reliability", reliability)}</div>'

    def _mistakes(self) -> str:
        if self.evaluation is None or not self.pictures:
            return ""
        mistakes = self.evaluation.mistakes(len(self.pictures))
        shown = "".join(
            _mistake(mistake, pixels) for mistake, pixels in zip(mistakes, self.pictures, strict=True)
        )
        explained = note(
            "What the network was surest of and yet wrong about: predicted and true class, with probabilities."
        )
        return section("Most confident mistakes", f'<div class="mistakes">{shown}</div>{explained}')

    def _commands(self) -> str:
        lines = "".join(
            f"<h3>{text(what)}</h3><pre>{text(line)}</pre>" for what, line in self.commands.items()
        )
        return section("Commands", lines) if lines else ""


def write_report(path: Path, report: Report) -> Path:
    """Write the page to `path`, whole or not at all; returns the path."""
    write_text(Path(path), report.html())
    return Path(path)


def _bar(share: float) -> str:
    return f'<span class="bar"><i style="width:{share:.1%}"></i></span>{share:.3f}'


def _mistake(mistake: Mistake, pixels: Tensor) -> str:
    image = picture(pixels, f"{mistake.true} taken for {mistake.predicted}")
    return (
        f"<figure>{image}<figcaption><b>{text(mistake.predicted)}</b> {mistake.confidence:.1%}"
        f"<br><span>true:</span> {text(mistake.true)} {mistake.true_probability:.1%}"
        f"<br><span>image {mistake.index}</span></figcaption></figure>"
    )


def _confused_pairs(evaluation: Evaluation, count: int = 5) -> str:
    """The pairs of classes that were confused most often, as a line of text."""
    wrong, names = evaluation.confusion.clone().fill_diagonal_(0), evaluation.classes
    top = wrong.flatten().topk(min(count, wrong.numel()))
    pairs = [
        f"{names[place // len(names)]} → {names[place % len(names)]} ({times:,})"
        for times, place in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        if times
    ]
    return note(f"Most often: {', '.join(pairs)}.") if pairs else ""
