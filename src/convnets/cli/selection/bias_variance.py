"""`convnets bias-variance`."""

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

__all__ = ["bias_variance"]


@takes_train_options
def bias_variance(
    *,
    model: Annotated[str, typer.Argument(help="Network's name (see: convnets models).", metavar="MODEL")],
    data: Annotated[
        str, typer.Option(help="Data set's name, or a folder or zip of images.", metavar="DATA")
    ] = "digits",
    widths: Annotated[
        str, typer.Option(help="Factors on the network's channels.", metavar="A,B,…")
    ] = "0.25,0.5,1,2,4",
    sets: Annotated[
        int, typer.Option(help="Sets of images, without a common one.", metavar="N", parser=whole_number)
    ] = 5,
    images: Annotated[
        int | None,
        typer.Option(help="Images of each set. [default: all there are]", metavar="N", parser=whole_number),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the curves here.", metavar="FILE.png")] = None,
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
    """Take the error apart by width, into bias and variance.

    Each width is trained on several sets of training images, without a common one. mlp, lenet_bn and speednet have
    a width.

    Example: convnets bias-variance mlp --data digits --widths 0.05,0.25,1 --sets 3
    """
    check_file(picture)
    try:
        factors = [float(part) for part in widths.split(",")]
    except ValueError:
        raise UsageError(f"widths is {widths!r}; allowed: numbers with commas, such as 0.5,1,2") from None
    settings = TrainConfig.from_dict(options, "options")
    from convnets.explanation.pictures.figure_file import write_figure
    from convnets.selection.curves.bias_variance import bias_variance as measure

    with progress_bar(quiet=quiet or json) as progress:
        listener = RunListener(progress, writer(json=False, quiet=quiet or json))
        found = measure(
            model,
            data,
            settings,
            widths=factors,
            sets=sets,
            images=images,
            output=output,
            name=name,
            go_on=resume,
            listeners=[listener],
            progress=progress,
        )
    if picture is not None:
        write_figure(picture, found.figure(), "Bias and variance")
    if json:
        write_json(found.to_dict())
        return
    typer.echo(str(found))
    if picture is not None:
        typer.echo(f"picture: {picture}")
