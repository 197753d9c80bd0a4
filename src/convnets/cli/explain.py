"""`convnets explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.explanation.pictured import JsonOption, RunArgument, picture_path
from convnets.cli.heat import print_heat_map
from convnets.cli.numbers import whole_number
from convnets.cli.output import write_json
from convnets.cli.serving.tables import explain_table, is_for_tables, refuse_image_options
from convnets.errors import UsageError

__all__ = ["explain"]

_SHOWN = 4  # maps that the terminal shows; the picture and the page have more


def explain(
    run: RunArgument,
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Pictures of any size, or folders of them. [of a table, a file; default: the run's rows]",
            metavar="IMAGE",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Class to explain. [default: each picture's most probable]", metavar="CLASS"),
    ] = None,
    contrast: Annotated[
        str | None, typer.Option(help="Class that it is set against: why not that one?", metavar="CLASS")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="How, by one of the methods above.",
            metavar="NAME",
        ),
    ] = "grad-cam",
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer that the method looks at, or stages for one of each map size. [default: the last maps]",
            metavar="NAME",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say whether the maps can be believed; takes longer.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Of noise, masks and checks.", metavar="N", parser=whole_number)
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Picture: .png or .svg; .html for a page of each picture. [default: a .png here]",
            metavar="FILE",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show where in a picture a class has its grounds.

    Of a run on a table or on series: how much each column matters, and how the answer follows it.

    \b
    Methods: gradient, gradient-x-input, smooth-grad, integrated-gradients,
    guided-backpropagation, occlusion, rise, grad-cam, grad-cam++, hires-cam,
    layer-cam, score-cam, lrp.

    Example: convnets explain runs/lenet_bn picture.png --check -o why.html
    """
    path = picture_path(output, run, "explain")
    if is_for_tables(Path(run)):
        given = {"target": target, "contrast": contrast, "layer": layer, "check": check or None}
        refuse_image_options(Path(run), {name: value is not None for name, value in given.items()})
        explain_table(
            Path(run), images or [], path, wanted=output is not None or not json, seed=seed, json=json
        )
        return
    if not images:
        raise UsageError("no pictures; give some, or folders of them: convnets explain RUN picture.png")
    from convnets.explanation.attribution.report import write_reports
    from convnets.explanation.explain import explain as explain_pictures

    found = explain_pictures(run, images, target, method, layer, contrast, check, seed=seed)
    written: list[Path] = []
    if output is not None or not json:
        page = path.suffix.lower() == ".html"
        written = write_reports(path, found) if page else [found.save(path)]
    if json:
        write_json(found.to_dict())
        return
    for place, each in enumerate(found):
        typer.echo(str(each))
        if place < _SHOWN:
            print_heat_map(each.overlay())
    for file in written:
        typer.echo(f"picture: {file}")
