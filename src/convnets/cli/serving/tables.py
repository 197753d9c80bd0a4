"""`convnets evaluate` and `convnets predict` for networks of tables."""

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

__all__ = ["evaluate_table", "is_for_tables", "predict_table", "refuse_image_options"]


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
    run: Path, data: str | None, part: str | None, hardware: tuple[str, str], *, json: bool
) -> None:
    """Measure, and write it as text or JSON."""
    judged = _loaded(run, hardware).evaluate(data, part=part)
    if json:
        write_json(judged.to_dict())
        return
    typer.echo(f"{judged.table.source}, {judged.part}")
    typer.echo(str(judged))


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
