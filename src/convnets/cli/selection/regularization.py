"""`convnets regularization`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.numbers import whole_number
from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import RunListener, writer
from convnets.errors import UsageError
from convnets.training.config import TrainConfig

__all__ = ["regularization"]


@takes_train_options
def regularization(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ] = "digits",
    rows: Annotated[
        str, typer.Option(help="An option and its values, of the grid's rows.", metavar="NAME=A,B,…")
    ] = "weight_decay=0,0.05,0.5",
    columns: Annotated[
        str, typer.Option(help="Another, of the grid's columns.", metavar="NAME=A,B,…")
    ] = "dropout=0,0.3,0.6",
    images: Annotated[
        int | None, typer.Option(help="Train on so many. [default: all]", metavar="N", parser=whole_number)
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each cell.", metavar="N", parser=whole_number)] = 1,
    picture: Annotated[Path | None, typer.Option(help="Draw the grid here.", metavar="FILE.png")] = None,
    output: Annotated[
        Path, typer.Option("--output", "--out", "-o", help="Folder that runs lie in.", metavar="FOLDER")
    ] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the folder in it. [default: network, data]", metavar="NAME")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on, or add values; runs that have ended are kept.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the result alone.")] = False,
    options: dict[str, Any],
) -> None:
    """See under- and overfitting over a grid of two options.

    Both options hold the network back. Each cell is a run; training and validation accuracy and their gap are
    measured alike, without dropout. Options are weight_decay, l1_penalty, l2_penalty, max_norm, label_smoothing,
    mixup, and dropout and width where the network has them.

    Example: convnets regularization mlp --data digits --images 200 --epochs 30
    """
    check_file(picture)
    grid = _axis("rows", rows), _axis("columns", columns)
    settings = TrainConfig.from_dict(options, "options")
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.selection.curves.regularization import regularization as measure

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = measure(
            model,
            data,
            settings,
            rows=grid[0],
            columns=grid[1],
            images=images,
            seeds=seeds,
            output=output,
            name=name,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if picture is not None:
        write_figure(picture, found.figure(), "Under- and overfitting")
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if picture is not None:
        typer.echo(f"picture: {picture}")


def _axis(option: str, text: str) -> tuple[str, list[float]]:
    name, equals, values = text.partition("=")
    try:
        if equals:
            return name.strip().replace("-", "_"), [float(part) for part in values.split(",")]
    except ValueError:
        pass
    raise UsageError(f"{option} is {text!r}; allowed: a name and numbers, such as weight_decay=0,0.05,0.5")
