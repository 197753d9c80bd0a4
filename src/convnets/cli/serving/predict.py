"""`convnets predict`."""

from __future__ import annotations

import csv as csv_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import progress_bar, write_json
from convnets.cli.placement import Device, EngineName, Precision
from convnets.cli.serving.tables import is_for_tables, predict_table, refuse_image_options
from convnets.errors import UsageError
from convnets.serving.predictions import Prediction, to_csv_rows

__all__ = ["predict"]


def predict(
    run: Annotated[Path, typer.Argument(help="Run, model folder or ONNX file.", metavar="RUN")],
    images: Annotated[
        list[Path],
        typer.Argument(help="Pictures of any size, folders of them, or tables.", metavar="IMAGE"),
    ],
    views: Annotated[
        int,
        typer.Option(help="Views averaged per picture: 1, 2, 5, 6 or 10.", metavar="N", parser=whole_number),
    ] = 1,
    top: Annotated[
        int, typer.Option(help="How many classes to name for each picture.", metavar="N", parser=whole_number)
    ] = 1,
    abstain: Annotated[
        float | None,
        typer.Option(
            help='Wanted precision, such as 0.95: less sure answers become "don\'t know" (see: calibrate).',
            metavar="X",
            parser=real_number,
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Name the classes among which the true one is in so many cases, such as 0.9 (see: calibrate).",
            metavar="X",
            parser=real_number,
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="Say which pictures cannot be read and go on.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    engine: EngineName = "convnets",
) -> None:
    """Name what is on pictures, or predict the rows of a table.

    Example: convnets predict runs/lenet_bn-digits-1 picture.png
    """
    if csv and json:
        raise UsageError("--csv and --json exclude each other; give one")
    if is_for_tables(run):
        asked = {"abstain": abstain is not None, "coverage": coverage is not None}
        asked |= {"skip-errors": skip_errors, "engine": engine != "convnets"}
        refuse_image_options(run, {"views": views != 1, "top": top != 1, **asked})
        predict_table(run, images, (device, precision), csv=csv, json=json)
        return
    from convnets.core.hardware import choose_hardware
    from convnets.serving.predictor import Predictor

    predictor = Predictor.load(
        run,
        hardware=choose_hardware(device, precision),
        views=views,
        abstain=abstain,
        coverage=coverage,
        engine=engine,
    )
    if engine != "convnets":
        typer.echo(predictor.engine, err=True)
    with progress_bar() as progress:
        found = predictor.predict(
            images,
            top=top,
            skip_errors=skip_errors,
            progress=lambda done, total: progress("predicting", done, total),
        )
    if json:
        write_json([prediction.to_dict() for prediction in found])
    elif csv:
        csv_module.writer(sys.stdout, lineterminator="\n").writerows(to_csv_rows(found))
    else:
        typer.echo("\n".join(_line(prediction) for prediction in found))
    if any(prediction.error for prediction in found):
        raise typer.Exit(1)


def _line(prediction: Prediction) -> str:
    if prediction.error is not None:
        return f"not read: {prediction.error}"  # which begins with the name
    named = ", ".join(f"{name} {probability:.3f}" for name, probability in prediction.top)
    if prediction.abstained:
        named = f"don't know ({named})"
    among = f"; one of {', '.join(prediction.possible)}" if prediction.possible else ""
    return f"{prediction.name}: {named}{among}"
