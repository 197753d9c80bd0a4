"""`convnets learning-curve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convnets.cli.output import check_file, progress_bar, write_json
from convnets.cli.training.options import takes_train_options
from convnets.cli.training.run_listener import RunListener, writer
from convnets.errors import UsageError
from convnets.training.config import TrainConfig

__all__ = ["learning_curve"]


@takes_train_options
def learning_curve(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ] = "digits",
    fractions: Annotated[
        str, typer.Option(help="Shares of the training images, three or more.", metavar="A,B,…")
    ] = "0.05,0.1,0.2,0.4",
    picture: Annotated[Path | None, typer.Option(help="Draw the curve here.", metavar="FILE.png")] = None,
    output: Annotated[
        Path, typer.Option("--output", "--out", "-o", help="Folder that runs lie in.", metavar="FOLDER")
    ] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the folder in it. [default: network, data]", metavar="NAME")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on, or add shares; runs that have ended are kept.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON, and no rows.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the result alone.")] = False,
    options: dict[str, Any],
) -> None:
    """Find out what twice the images would bring.

    Trains on growing shares of the images, and puts a power law through the errors.

    Example: convnets learning-curve lenet_bn --data digits --fractions 0.2,0.4,0.8
    """
    check_file(picture)
    try:
        shares = [float(part) for part in fractions.split(",")]
    except ValueError:
        raise UsageError(
            f"fractions is {fractions!r}; allowed: numbers with commas, such as 0.1,0.2,0.4"
        ) from None
    settings = TrainConfig.from_dict(options, "options")
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.selection.curves.learning_curve import learning_curve as train_all

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = train_all(
            model,
            data,
            settings,
            fractions=shares,
            output=output,
            name=name,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if picture is not None:
        write_figure(picture, found.figure(), "What more images bring")
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if picture is not None:
        typer.echo(f"picture: {picture}")
