"""`convnets compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convnets.cli.output import aligned, check_file, write_json

__all__ = ["compare"]


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs to set side by side.", metavar="RUN")],
    picture: Annotated[
        Path | None, typer.Option(help="Also draw their curves here.", metavar="FILE.svg")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Set runs side by side.

    What they reached, what it cost, and the options in which they differ.

    Example: convnets compare runs/lenet-digits-1 runs/lenet_bn-digits-1
    """
    check_file(picture)
    from convnets.training.runs.comparison import compare_runs
    from convnets.training.runs.run import Run

    comparison = compare_runs([Run(path) for path in runs])
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        comparison.draw(picture)
    if json:
        write_json(comparison.to_dict())
        return
    typer.echo(aligned(*comparison.table(), right=range(1, len(runs) + 1)))
    if picture is not None:
        typer.echo(f"picture: {picture}")
