"""Report: the attributions of a picture as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convnets.core.html.kit import Markup, facts, note, page, paragraph, section, white
from convnets.core.storage.files import write_text
from convnets.evaluation.plots.drawing import svg_text
from convnets.explanation.attribution.drawing import DrawnMap, attribution_grid

__all__ = ["write_report", "write_reports"]


def write_reports(path: Path | str, attributions: Sequence[DrawnMap]) -> list[Path]:
    """A page for each picture: `path` for a single one, `why-1.html`, `why-2.html` … beside `path` for several."""
    path = Path(path)
    pictures: dict[int, list[DrawnMap]] = {}
    for each in attributions:
        pictures.setdefault(each.place, []).append(each)
    if len(pictures) == 1:
        return [write_report(path, attributions)]
    return [
        write_report(path.with_name(f"{path.stem}-{number}{path.suffix}"), maps)
        for number, maps in enumerate(pictures.values(), 1)
    ]


def write_report(path: Path | str, attributions: Sequence[DrawnMap]) -> Path:
    """Write the page, whole or not at all; it fetches nothing. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    questions = dict.fromkeys(each.question for each in attributions)
    title = f"Why {next(iter(questions))}?" if len(questions) == 1 else "Why these classes?"
    parts = [_section(each) for each in attributions] or [note("No pictures were given.")]
    if len(attributions) > 1:
        parts.insert(0, section("All maps", white(svg_text(attribution_grid(attributions).figure(), title))))
    write_text(path, page(title, *parts))
    return path


def _section(found: DrawnMap) -> Markup:
    values = {
        "picture": found.name,
        "asked about": f"{found.question} (probability of {found.target_name} {found.probability:.3f})",
        "taken for": found.predicted_name,
        "method": found.method,
        "layer": found.layer or "none: pixels",
        "map": "×".join(map(str, found.native.shape)),
    }
    if found.residual is not None and found.total is not None:
        values["sum"] = f"{found.total + found.residual:.4g} of {found.total:.4g}"
    said = [paragraph(verdict.words) for verdict in found.verdicts]
    figure = svg_text(attribution_grid([found]).figure(), found.words)
    where = f" at {found.layer}" if found.layer else ""
    return section(f"{found.method}{where}", facts(values), white(figure), *said)
