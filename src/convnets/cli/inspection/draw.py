"""`convnets draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from convnets.cli.given_network import ImageOption, given_network
from convnets.cli.numbers import whole_number
from convnets.cli.output import check_file, write_json

__all__ = ["draw"]


def draw(
    model: Annotated[
        str,
        typer.Argument(
            help="Network, as `convnets models` lists them, or a run or model folder.", metavar="MODEL"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="SVG to write. [default: MODEL.svg]", metavar="FILE.svg"),
    ] = None,
    style: Annotated[
        str,
        typer.Option(help="graph: layers and links; volumes: tensors as blocks.", metavar="graph|volumes"),
    ] = "graph",
    image: ImageOption = None,
    depth: Annotated[
        int | None,
        typer.Option(
            help="Levels of modules to open: 1 is the top-level parts. [default: all]",
            metavar="N",
            parser=whole_number,
        ),
    ] = None,
    unfold: Annotated[bool, typer.Option("--unfold", help="Draw each repetition of a block.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write the graph as JSON; a picture only with -o.")
    ] = False,
) -> None:
    """Draw a network: its graph, or its tensors as blocks.

    Repeated blocks are drawn once, with how many times they come. Any browser opens the file.

    Example: convnets draw resnet18 -o resnet18.svg
    """
    path = output or Path(f"{Path(model).name}.svg")
    check_file(path)
    from convnets.inspection.drawing.draw import draw as draw_network

    given = given_network(model, image)
    chosen = cast("Literal['graph', 'volumes']", style)  # the library refuses another
    drawing = draw_network(given.network, given.image, style=chosen, depth=depth, unfold=unfold)
    if output is not None or not json:
        drawing.save(path)
    if json:
        write_json(drawing.graph.to_dict())
        return
    count = len(drawing.graph.nodes) - 1
    typer.echo(f"{drawing.graph.network}: {count} operations")
    for note in drawing.graph.notes:
        typer.echo(note)
    typer.echo(f"picture: {path}")
