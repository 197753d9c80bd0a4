"""`convnets label-errors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.training.run_listener import RunListener, writer
from convnets.errors import UsageError

__all__ = ["label_errors"]


def label_errors(
    folder: Annotated[Path, typer.Argument(help="Folder of a cross-validation.", metavar="FOLDER")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="CSV file. [default: label_errors.csv in FOLDER]", metavar="FILE.csv"
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also draw the 40 surest here.", metavar="FILE.png")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a page here.", metavar="FILE.html")] = None,
    apply: Annotated[
        Path | None,
        typer.Option(
            help="Train again on all images as this CSV file says: its last column is drop, correct or keep.",
            metavar="FILE.csv",
        ),
    ] = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="With --apply: relabel what would be dropped.")
    ] = False,
    runs: Annotated[
        Path, typer.Option(help="With --apply: folder that runs lie in.", metavar="FOLDER")
    ] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Find labels that are probably wrong, and leave them out.

    By confident learning on the out-of-fold probabilities of a cross-validation, ranked, per class and overall.

    Example: convnets label-errors runs/cross-validation-lenet_bn-digits --sheet errors.png
    """
    if correct and apply is None:
        raise UsageError("--correct without --apply; give the file of label errors: --apply label_errors.csv")
    for path in (output, sheet, report):
        check_file(path)
    from convnets.selection.folds.cross_validation import read_cross_validation
    from convnets.selection.labels.corrections import images_of, train_corrected
    from convnets.selection.labels.label_errors import find_label_errors
    from convnets.selection.labels.pages import write_label_page, write_label_sheet

    made = read_cross_validation(folder)
    with progress_bar(quiet=json) as progress:
        if apply is not None:
            listener = RunListener(progress, writer(json=json, quiet=False))
            _, done = train_corrected(
                made, apply, correct=correct, output=runs, listeners=[listener], progress=progress
            )
            if not json:
                typer.echo(f"{done.dropped:,} images left out, {done.relabeled:,} relabeled")
            return
        found = find_label_errors(made.out_of_fold())
        written = [found.save(output or folder / "label_errors.csv")]
        if sheet is not None or report is not None:
            images = images_of(made, progress).train
            written += [] if sheet is None else [write_label_sheet(sheet, found, images)]
            written += [] if report is None else [write_label_page(report, found, images)]
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    typer.echo("\nwritten: " + ", ".join(map(str, written)))
