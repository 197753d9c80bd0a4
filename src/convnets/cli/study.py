"""`convnets study`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import aligned, check_file, write_json
from convnets.errors import UsageError

__all__ = ["study"]


def study(
    name: Annotated[
        str | None, typer.Argument(help="Study; without one, all are listed.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--out",
            "-o",
            help="Picture: .png, .svg or .html. [default: NAME.png here]",
            metavar="FILE",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of all random numbers.", metavar="N", parser=whole_number)
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Write JSON; a picture only with --out.")] = False,
) -> None:
    """Measure one idea of the book, and draw it.

    Example: convnets study perceptron
    """
    from convnets.studies.catalogue import STUDIES, run_study

    if name is None:
        if out is not None:
            raise UsageError(f"--out is {out}, but no study is named; see: convnets study")
        if json:
            write_json(STUDIES)
        else:
            typer.echo(aligned(("study", "shows"), list(STUDIES.items())))
        return
    path = out or Path(f"{name}.png")
    if name in STUDIES and (out is not None or not json):
        from convnets.explanation.pictures.figure_file import check_picture_ending

        check_file(path)
        check_picture_ending(path)
    found = run_study(name, seed=seed)
    if out is not None or not json:
        found.draw(path)
    if json:
        write_json(found.to_dict())
        return
    typer.echo(f"{found}\npicture: {path}")
