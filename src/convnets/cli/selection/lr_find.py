"""`convnets lr-find`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import real_number, whole_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.training.config import TrainConfig

__all__ = ["lr_find"]


@takes_train_options
def lr_find(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ] = "digits",
    low: Annotated[float, typer.Option(help="First rate.", metavar="X", parser=real_number)] = 1e-6,
    high: Annotated[float, typer.Option(help="Last rate.", metavar="X", parser=real_number)] = 10.0,
    steps: Annotated[
        int, typer.Option(help="Batches from one to the other.", metavar="N", parser=whole_number)
    ] = 200,
    picture: Annotated[Path | None, typer.Option(help="Draw the loss here.", metavar="FILE.png")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    options: dict[str, Any],
) -> None:
    """Find a learning rate by letting it grow for a few steps.

    Example: convnets lr-find lenet_bn --data digits --picture rates.png
    """
    check_file(picture)
    settings = TrainConfig.from_dict(options, "options")
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.selection.curves.range_test import find_learning_rate

    with progress_bar(quiet=json) as progress:
        found = find_learning_rate(model, data, settings, low=low, high=high, steps=steps, progress=progress)
    if picture is not None:
        write_figure(picture, found.figure(), "Loss while the learning rate grows")
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if picture is not None:
        typer.echo(f"picture: {picture}")
