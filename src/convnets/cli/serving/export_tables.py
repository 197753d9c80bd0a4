"""`convnets export` for networks of tables and series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from convnets.cli.output import progress_bar, write_json
from convnets.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    from convnets.series.examples import ExampleSet
    from convnets.serving.table_predictor import TablePredictor

__all__ = ["export_table", "export_table_hub"]


def export_table(run: Path, path: Path, form: str | None, *, json: bool) -> None:
    """Write an ONNX file or a program of PyTorch, and say how it was compared with `predict`."""
    from convnets.series.examples import kind_of
    from convnets.serving.export.rows.rows_export import export_rows
    from convnets.serving.table_predictor import TablePredictor

    predictor = TablePredictor.load(run)
    allowed = ("rows" if kind_of(predictor.model.encoder) == "table" else "series", "tensor")
    if form not in (None, *allowed):
        raise UnknownNameError("input", str(form), allowed)
    with progress_bar() as progress:
        examples, part = _examples(predictor)
        progress("exporting", 0, 1)
        found = export_rows(predictor.model, path, form=form, examples=examples)
    if json:
        write_json(found.to_dict())
        return
    about = "a program of PyTorch" if found.opset is None else f"opset {found.opset}"
    typer.echo(f"{found.path}: {found.megabytes:.2f} MB, {about}, input {found.form}, any batch size")
    nouns = "made-up examples" if examples is None else f"{found.rows:,} {part} {examples.nouns}"
    of_classes = "of a logit" if found.form == "tensor" else "of a probability"
    unit = of_classes if predictor.model.classes else "in units of the target's spread"
    asked = "1, 3 and 17 at once" + ("" if examples is None else ", and all together")
    typer.echo(f"{nouns}, {asked}: largest difference from predict {found.error:.1e} {unit}")
    if found.agreement is not None:
        typer.echo(f"{found.agreement:.2%} answered alike")


def _examples(predictor: TablePredictor) -> tuple[ExampleSet | None, str]:
    """The run's own rows and their part; none, and a note, where they are gone."""
    try:
        part, examples = list(predictor.own_parts().items())[-1]
    except DataError as error:
        typer.echo(f"no rows to compare with: {error}", err=True)
        return None, ""
    return examples, part


def export_table_hub(
    run: Path, output: Path | None, named: tuple[str | None, str | None], *, overwrite: bool, json: bool
) -> None:
    """Write the Hub's files, with a card filled from the run; `named` are repository and license."""
    from convnets.serving.export.rows.rows_hub import export_rows_hub

    (repository, license), folder = named, run / "hub" if output is None else output
    found = export_rows_hub(run, folder, repository=repository, license=license, overwrite=overwrite)
    if json:
        write_json(found.to_dict())
        return
    typer.echo(f"{found.path}: {', '.join(found.files)}; weights {found.megabytes:.2f} MB, verified")
    if found.note:
        typer.echo(f"nothing was measured: {found.note}", err=True)
    for name, figures in list(found.figures.items())[:1]:
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items() if value is not None)
        typer.echo(f"{found.rows:,} validation examples: {name}: {shown}")
    if license is None:
        typer.echo(f"license: yours to choose; write it into {found.path / 'README.md'}, or give --license")
