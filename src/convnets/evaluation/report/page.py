"""Report: one HTML page that holds all there is to say of a run, to be opened, sent and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from convnets.core.html.kit import (
    bullets,
    details,
    facts,
    figure,
    figures,
    note,
    page,
    plot,
    render,
    section,
    settings_table,
    share,
    table,
)
from convnets.core.storage.files import write_text
from convnets.data.images.thumbnail import pixels_html
from convnets.evaluation.evaluation import Evaluation, Mistake
from convnets.evaluation.plots.figures import CELLS, confusion_svg, curve_svg, reliability_svg

__all__ = ["Report", "write_report"]

_MEASURES_EXPLAINED = (
    "Precision: of the images predicted as the class, the share that is of it. Recall: of the images of the class, "
    "the share that was found. F1: their harmonic mean. Undefined shares are given as 0."
)
_MATRIX_EXPLAINED = (
    "Rows are true classes, columns predicted ones. Blue: right. Orange: mistakes, drawn stronger so that "
    "rare ones show."
)
_CELLS_EXPLAINED = " Neighboring classes share a cell."
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
        subtitle = (
            "" if self.evaluation is None else f"{self.evaluated_on} images · {self.evaluation.protocol}"
        )
        folded = {"Configuration": self.config, "Environment": self.environment}
        return page(
            self.title,
            figures(self.evaluation.headline()) if self.evaluation is not None else "",
            section("Summary", facts(self.summary)) if self.summary else "",
            section("Warnings", bullets(self.warnings), kind="warning") if self.warnings else "",
            self._curves(),
            *(section(heading, plot(svg)) for heading, svg in self.drawings.items()),
            self._classes(),
            self._matrix_and_reliability(),
            self._mistakes(),
            self._commands(),
            *(
                section("", details(name, settings_table(values)))
                for name, values in folded.items()
                if values
            ),
            subtitle=subtitle,
        )

    def _curves(self) -> str:
        if not self.rows:
            return ""
        measures = [
            measure
            for measure in ("loss", "accuracy", "learning_rate")
            if any(row.get(name) is not None for row in self.rows for name in row if name.endswith(measure))
        ]
        plots = [plot(curve_svg(self.rows, measure)) for measure in measures]
        curves = '<div class="curves">{% for plot in plots %}<div>{{ plot }}</div>{% endfor %}</div>'
        return section("Training", render(curves, plots=plots))

    def _classes(self) -> str:
        if self.evaluation is None:
            return ""
        shown = self.evaluation.shown_classes()
        rows = [
            (
                each.name,
                f"{each.precision:.3f}",
                f"{each.recall:.3f}",
                share(each.f1, f"{each.f1:.3f}"),
                f"{each.support:,}",
            )
            for each in shown
        ]
        body = table(("class", "precision", "recall", "F1", "images"), rows)
        total = len(self.evaluation.classes)
        partly = (
            f" The {len(shown)} classes of lowest F1 are shown, of {total}." if len(shown) < total else ""
        )
        return section("Classes", body, note(_MEASURES_EXPLAINED + partly))

    def _matrix_and_reliability(self) -> str:
        if self.evaluation is None:
            return ""
        shared = _CELLS_EXPLAINED if len(self.evaluation.classes) > CELLS else ""
        matrix = section(
            "Confusion matrix",
            plot(confusion_svg(self.evaluation)),
            note(_MATRIX_EXPLAINED + shared),
            _confused_pairs(self.evaluation),
        )
        error = f"{self.evaluation.calibration_error:.4f}."
        reliability = section(
            "Reliability", plot(reliability_svg(self.evaluation)), note(_RELIABILITY_EXPLAINED + error)
        )
        return render(
            '<div class="pair">{{ matrix }}{{ reliability }}</div>', matrix=matrix, reliability=reliability
        )

    def _mistakes(self) -> str:
        if self.evaluation is None or not self.pictures:
            return ""
        mistakes = self.evaluation.mistakes(len(self.pictures))
        shown = [_mistake(mistake, pixels) for mistake, pixels in zip(mistakes, self.pictures, strict=True)]
        explained = note(
            "What the network was surest of and yet wrong about: predicted and true class, with probabilities."
        )
        gallery = render('<div class="gallery">{{ shown|join }}</div>', shown=shown)
        return section("Most confident mistakes", gallery, explained)

    def _commands(self) -> str:
        lines = "{% for what, line in commands.items() %}<h3>{{ what }}</h3><pre>{{ line }}</pre>{% endfor %}"
        return section("Commands", render(lines, commands=self.commands)) if self.commands else ""


def write_report(path: Path, report: Report) -> Path:
    """Write the page to `path`, whole or not at all; returns the path."""
    write_text(Path(path), report.html())
    return Path(path)


_CAPTION = """<b>{{ mistake.predicted }}</b> {{ "%.1f%%"|format(100 * mistake.confidence) }}
<br><span>true:</span> {{ mistake.true }} {{ "%.1f%%"|format(100 * mistake.true_probability) }}
<br><span>image {{ mistake.index }}</span>"""


def _mistake(mistake: Mistake, pixels: Tensor) -> str:
    image = pixels_html(pixels, f"{mistake.true} taken for {mistake.predicted}")
    return figure([image], render(_CAPTION, mistake=mistake))


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
