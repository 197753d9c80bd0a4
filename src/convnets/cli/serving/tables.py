"""`convnets evaluate`, `predict` and `explain` for networks of tables and series."""

from __future__ import annotations

import csv as csv_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from convnets.cli.output import write_json
from convnets.errors import UsageError

if TYPE_CHECKING:
    from convnets.serving.table_predictor import TablePredictor

_CURVES = 3  # of the columns that matter most

__all__ = ["evaluate_table", "explain_table", "is_for_tables", "predict_table", "refuse_image_options"]


def is_for_tables(run: Path) -> bool:
    """Whether the run or model folder holds a network for tables."""
    from convnets.serving.table_predictor import is_for_tables as found

    return found(run)


def refuse_image_options(run: Path, given: dict[str, bool]) -> None:
    """Raise UsageError for the first option that was given and means nothing for a table."""
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--{name} is for images, and {run} was trained on a table; leave it out")


def evaluate_table(
    run: Path,
    data: str | None,
    part: str | None,
    hardware: tuple[str, str],
    *,
    json: bool,
    segments: str | None = None,
    picture: Path | None = None,
) -> None:
    """Measure, by the segments of a column too, and write it as text or JSON, and these as a picture."""
    if picture is not None:
        from convnets.explanation.columns.segments_picture import segments_figure
        from convnets.explanation.pictures.figure_file import check_picture_ending, write_figure

        check_picture_ending(picture)
    judged = _loaded(run, hardware).evaluate(data, part=part, segments=segments)
    if picture is not None and judged.segments is not None:
        title = f"{judged.part} by {segments}"
        write_figure(picture, segments_figure(judged.segments), title, str(judged.segments))
    if json:
        write_json(judged.to_dict())
        return
    typer.echo(f"{judged.table.source}, {judged.part}")
    typer.echo(str(judged))
    if picture is not None:
        typer.echo(f"picture: {picture}")


def predict_table(
    run: Path, files: Sequence[Path], hardware: tuple[str, str], *, csv: bool, json: bool
) -> None:
    """What the network says of each row of the files, as text, CSV or JSON."""
    predictor = _loaded(run, hardware)
    rows: list[dict[str, Any]] = []
    for file in files:
        named = {"file": str(file)} if len(files) > 1 else {}
        rows += [{**named, **each.to_dict()} for each in predictor.predict(file)]
    if json:
        write_json(rows)
    elif csv:
        writer = csv_module.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        typer.echo("\n".join(_line(row) for row in rows))


def explain_table(
    run: Path, files: Sequence[Path], picture: Path, *, wanted: bool, seed: int, json: bool
) -> None:
    """How much each column matters, and how the answer follows the first three of them, with a picture."""
    from convnets.checkpoints.onnx.onnx_model import is_onnx, no_folder
    from convnets.explanation.columns.column_importance import column_importance
    from convnets.explanation.columns.columns_picture import columns_figure
    from convnets.explanation.columns.partial_dependence import partial_dependence
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.tables.table_set import TableSet

    if is_onnx(run):
        raise no_folder(run)
    if len(files) > 1:
        raise UsageError(
            f"{len(files)} tables; allowed: one, with its target, or none for the run's own rows"
        )
    predictor = _loaded(run, ("auto", "auto"))
    examples = predictor.examples(files[0] if files else None)
    importance = column_importance(predictor.model, examples, seed=seed, hardware=predictor.hardware)
    curves = []
    if isinstance(examples, TableSet):
        curves = [
            partial_dependence(predictor.model, examples, name, seed=seed, hardware=predictor.hardware)
            for name in list(importance.drops)[:_CURVES]
        ]
    if wanted:
        figure = columns_figure(importance, curves)
        write_figure(picture, figure, f"What {predictor.name} goes by", str(importance))
    if json:
        write_json({**importance.to_dict(), "partial_dependence": [each.to_dict() for each in curves]})
        return
    typer.echo(str(importance))
    typer.echo(f"picture: {picture}")


def _loaded(run: Path, hardware: tuple[str, str]) -> TablePredictor:
    from convnets.core.hardware import choose_hardware
    from convnets.serving.table_predictor import TablePredictor

    device, precision = hardware
    return TablePredictor.load(run, choose_hardware(device, "fp32" if precision == "auto" else precision))


def _line(row: dict[str, Any]) -> str:
    where = f"{row['file']}, row {row['row']}" if "file" in row else f"row {row['row']}"
    said = ", ".join(
        f"{name} {value:.6g}"
        if isinstance(value, float) and name != "probability"
        else f"{name} {value:.3f}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in row.items()
        if name not in ("file", "row")
    )
    return f"{where}: {said}"
