"""`convnets calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import real_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.placement import Device, Precision

__all__ = ["calibrate"]


def calibrate(
    run: Annotated[Path, typer.Argument(help="Run, or model folder.", metavar="RUN")],
    data: Annotated[
        str | None,
        typer.Option(help="Data set's name, or a folder or zip. [default: the run's]", metavar="DATA"),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="calibration or validation. [default: calibration]", metavar="PART"),
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="Set nothing; measure what is set on this part, such as test.", metavar="PART"),
    ] = None,
    level: Annotated[
        list[float] | None,
        typer.Option(
            help="Precision of answers, and coverage of sets, to report; may be repeated. [default: 0.95]",
            metavar="X",
            parser=real_number,
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw mistakes against answers given here.", metavar="FILE.svg")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Make a network as sure as it is right, and let it abstain.

    Sets temperature, thresholds and conformal sets on images that neither trained nor chose the network (train with
    --calibration 0.1), and keeps them in its model folder, where predict reads them.

    Example: convnets calibrate runs/lenet_bn --level 0.95
    """
    check_file(picture)
    from convnets.core.hardware import choose_hardware
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.serving.calibration import calibrate_model, measure_calibration

    hardware, levels = choose_hardware(device, precision), level or [0.95]
    with progress_bar(quiet=json) as progress:
        if measure is None:
            found = calibrate_model(run, data, part=part, hardware=hardware, levels=levels, progress=progress)
        else:
            found = measure_calibration(
                run, data, part=measure, hardware=hardware, levels=levels, progress=progress
            )
    if picture is not None:
        write_figure(picture, found.figure(), "Risk against coverage")
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if picture is not None:
        typer.echo(f"picture: {picture}")
