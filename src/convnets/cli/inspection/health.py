"""`convnets health`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import check_file, progress_bar, write_json

__all__ = ["health"]


def health(
    source: Annotated[
        str,
        typer.Argument(
            help="Network, as `convnets models` lists them, or a run or model folder.", metavar="MODEL|RUN"
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set's name, or a folder or zip of images. [default: the run's, or digits]",
            metavar="DATA",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(help="Training images to measure on.", metavar="N", parser=whole_number)
    ] = 128,
    initializer: Annotated[
        str | None,
        typer.Option(
            "--initializer",
            "--initialiser",
            help="Initializer of a network's weights, such as xavier-uniform.",
            metavar="NAME",
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            "--optimizer",
            "--optimiser",
            help="Whose step is measured: sgd, adamw or muon. [default: the run's, or adamw]",
            metavar="NAME",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Of that step. [default: the run's highest, or the optimizer's]",
            metavar="X",
            parser=real_number,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of a network's input in pixels.", metavar="N", parser=whole_number),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of a network's weights.", metavar="N", parser=whole_number)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", metavar="NAME")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also draw a strip chart: .png, .svg or .pdf.", metavar="FILE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Say how well signals and gradients get through a network.

    For each layer: mean and spread of what it gives, dead and saturated units, the gradient, and how far a step would
    move its weights; the scales of batch norms; and in plain words what is wrong.

    Example: convnets health lenet --data fashion-mnist -o health.png
    """
    check_file(output)
    if output is not None:
        from convnets.inspection.health.chart import check_ending

        check_ending(output)
    options: dict[str, Any] = {
        "initializer": initializer,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "size": size,
        "seed": seed,
        "device": device,
    }
    given = {name: value for name, value in options.items() if value is not None}
    from convnets.serving.health import examine_health

    with progress_bar(quiet=json) as progress:
        found = examine_health(source, data, given, images=images, progress=progress)
    if output is not None:
        from convnets.inspection.health.chart import write_health_chart

        output.parent.mkdir(parents=True, exist_ok=True)
        write_health_chart(output, {found.network: found})
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if output is not None:
        typer.echo(f"\nchart: {output}")
